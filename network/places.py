"""A limited number of places, shared fairly between addresses. Pure."""

from typing import Generic, TypeVar

_T = TypeVar("_T")


class Places(Generic[_T]):
    """The holders of places: at most `total`, and at most `per_address` from one IP."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._crowds: dict[str, list[_T]] = {}  # by IP, the oldest first

    def __len__(self) -> int:
        return sum(map(len, self._crowds.values()))

    def all(self) -> list[_T]:
        """Return all holders."""
        return [holder for crowd in self._crowds.values() for holder in crowd]

    def add(self, holder: _T, ip: str) -> None:
        """Give a holder a place. Check first that there is one."""
        self._crowds.setdefault(ip, []).append(holder)

    def remove(self, holder: _T, ip: str) -> None:
        """Take a place back. Idempotent."""
        crowd = self._crowds.get(ip, [])
        if holder in crowd:
            crowd.remove(holder)
        if not crowd:
            self._crowds.pop(ip, None)

    def oldest_to_evict(self, ip: str) -> _T | None:
        """Return the holder to evict so that a newcomer gets a place; None if one is free.

        It is the oldest of the newcomer's own address, or of the address that has the most.
        """
        own = self._crowds.get(ip, [])
        if len(own) >= self._per_address:
            return own[0]
        return self._largest()[0] if len(self) >= self._total else None

    def newest_to_evict(self, ip: str) -> _T | None:
        """Return the holder to evict for fairness; None if a place is free.

        It is the newest of the address that has the most. Raises LookupError if nobody has to
        leave, because the newcomer's address already has its share.
        """
        own = self._crowds.get(ip, [])
        if len(own) >= self._per_address:
            raise LookupError(f"{self._per_address} from {ip} are already here")
        if len(self) < self._total:
            return None
        largest = self._largest()
        if len(largest) <= len(own) + 1:
            raise LookupError(f"{self._total} are already here")
        return largest[-1]

    def _largest(self) -> list[_T]:
        return max(self._crowds.values(), key=len)
