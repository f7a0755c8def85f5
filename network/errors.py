"""Says what went wrong with a connection."""

import os


def plain(error: OSError) -> str:
    """Return the system's words for an error, without the address that asyncio adds."""
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
