"""The limit on how many files and connections this process may have open."""

import resource


def raise_limit() -> None:
    """Raise the soft limit of open descriptors to the hard limit, if the system allows that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS reports "unlimited" but accepts at most OPEN_MAX
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
