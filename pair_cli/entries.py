"""What the relay remembers: registrations, presence, who guesses. Pure: the caller has the clock.

Tokens are kept as hashes only. Everything is bounded: the number of entries, their bytes, and what
is remembered of each address.
"""

import hashlib
import hmac
from collections import OrderedDict, deque
from enum import Enum
from typing import NamedTuple

MAX_BLOB = 64 << 10  # characters
MAX_BYTES = 64 << 20  # of all blobs together
PRESENCE_S = 60.0
WINDOW_S = 60.0
MAX_MISSES = 20  # wrong guesses of one address per window
MAX_NEW = 600  # registrations of one address per window
MAX_ADDRESSES = 100_000


class Admission(Enum):
    """Whether a registration was taken, and why not."""

    REGISTERED = "registered"
    CONFLICT = "conflict"  # somebody else's, until it expires
    FULL = "full"


class _Entry(NamedTuple):
    body: bytes
    proof: bytes | None  # hash of the registrant's secret
    ends_at: float


class Entries:
    """Registrations by token, each with an end."""

    def __init__(self, ttl_s: float, max_entries: int, max_bytes: int = MAX_BYTES) -> None:
        self._ttl_s = ttl_s
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the first to end first
        self._bytes = 0

    def count(self, now: float) -> int:
        """Return how many there are."""
        self._expire(now)
        return len(self._entries)

    def has(self, token: str, now: float) -> bool:
        """Tell whether a token is registered."""
        return self.get(token, now) is not None

    def get(self, token: str, now: float) -> bytes | None:
        """Return the body that was registered for a token."""
        self._expire(now)
        entry = self._entries.get(_hash(token))
        return None if entry is None else entry.body

    def register(self, token: str, body: bytes, proof: str | None, now: float) -> Admission:
        """Register, or refresh one's own.

        Whoever showed a proof has to show it again. Entries without one are anybody's who has none.
        """
        self._expire(now)
        key, shown = _hash(token), None if proof is None else _hash(proof)
        old = self._entries.get(key)
        if old is not None and not _same(old.proof, shown):
            return Admission.CONFLICT
        grown = self._bytes + len(body) - (0 if old is None else len(old.body))
        if (old is None and len(self._entries) >= self._max_entries) or grown > self._max_bytes:
            return Admission.FULL
        self._bytes = grown
        self._entries[key] = _Entry(body, shown, now + self._ttl_s)
        self._entries.move_to_end(key)
        return Admission.REGISTERED

    def _expire(self, now: float) -> None:
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.ends_at > now:
                return
            del self._entries[key]
            self._bytes -= len(entry.body)


class Presence:
    """When each token was last seen; of too many, the one that was seen first is forgotten."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def see(self, token: str, now: float) -> None:
        """Note that a token's owner is there."""
        key = _hash(token)
        self._seen[key] = now
        self._seen.move_to_end(key)
        if len(self._seen) > self._max_entries:
            self._seen.popitem(last=False)

    def is_here(self, token: str, now: float) -> bool:
        """Tell whether it was seen within a minute."""
        at = self._seen.get(_hash(token))
        return at is not None and now - at <= PRESENCE_S


class Rate:
    """Counts events per address in a sliding window; of too many addresses, the oldest goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def over(self, address: str, now: float) -> float | None:
        """Return in how many seconds the address may try again; None if it may now."""
        times = self._times.get(address)
        if times is None:
            return None
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        return times[0] + WINDOW_S - now if len(times) >= self._most else None

    def count(self, address: str, now: float) -> None:
        """Count an event."""
        times = self._times.setdefault(address, deque(maxlen=self._most))
        times.append(now)
        self._times.move_to_end(address)
        if len(self._times) > MAX_ADDRESSES:
            self._times.popitem(last=False)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _same(one: bytes | None, other: bytes | None) -> bool:
    if one is None or other is None:
        return one is other
    return hmac.compare_digest(one, other)
