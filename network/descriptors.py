"""The limit on how many files and connections this process may have open."""

import errno
import resource
import sys

PAUSE_S = 0.2
"""How long to wait before another try when there are none left: nothing tells of a free one."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def raise_limit() -> None:
    """Raise the soft limit of open descriptors to the hard limit, if the system allows that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS reports "unlimited" but accepts at most OPEN_MAX
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Shortage:
    """Says on stderr when a listener cannot accept for want of descriptors, and when it can again.

    Each is said once, however long that takes. `who` begins the lines.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._lasts = False

    def met(self, error: OSError) -> bool:
        """Tell whether an error is of the system, which lacks something, not of one connection."""
        if error.errno not in _EXHAUSTED:
            return False
        if not self._lasts:
            print(
                f"{self._who}: no connection can be accepted for now: {error.strerror}; raise the "
                "limit of open files (ulimit -n) if this happens again",
                file=sys.stderr,
            )
        self._lasts = True
        return True

    def over(self) -> None:
        """Note that a connection was accepted."""
        if self._lasts:
            print(f"{self._who}: connections are accepted again", file=sys.stderr)
        self._lasts = False
