"""When to try what: pauses between attempts, and who dials first. Pure but for random numbers."""

import random
from collections.abc import Iterator

MAX_ATTEMPTS = 10
MAX_PAUSE_S = 30.0
_GRACE_S = 1.0
_POLLS_S = (0.25, 0.5, 1.0, 2.0)
_POLL_S = 4.0  # 15 a minute: a relay allows 20 misses
_UPGRADES_S = (2.0, 4.0, 8.0, 16.0, 30.0)
_UPGRADE_S = 60.0


def pause_before(attempt: int) -> float:
    """Return the seconds before an attempt, from 1 on: 1, 2, 4 ... 30, give or take a fifth.

    The chance keeps two peers from trying in step, in which they could miss each other.
    """
    pause_s = min(2.0 ** (attempt - 1), MAX_PAUSE_S)
    return min(pause_s * random.uniform(0.8, 1.2), MAX_PAUSE_S)  # noqa: S311 - no secret


def grace(*, lower: bool, again: bool) -> float:
    """Return the seconds to let the other dial first.

    The lower fingerprint listens at first, until the other has had time to look for it once more.
    It initiates the attempts after that, and reconnects.
    """
    if lower:
        return 0.0 if again else _POLL_S + _GRACE_S
    return _GRACE_S if again else 0.0


def polls() -> Iterator[float]:
    """Yield the pauses between looks for a peer that is not there yet."""
    yield from _POLLS_S
    while True:
        yield _POLL_S


def upgrades() -> Iterator[float]:
    """Yield the pauses between attempts to get from the bridge to a direct connection."""
    yield from _UPGRADES_S
    while True:
        yield _UPGRADE_S
