"""The tracker's directory: who has which file. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from sync_cli.legacy.wire import MAX_DIRECTORY_BYTES, Holder

_ENTRY_BYTES = 80  # of an encoded entry besides its name; a character takes at most 12


class Place(NamedTuple):
    """Where a peer serves its files: its observed IP and the port it told."""

    ip: str
    port: int


class Directory:
    """One holder per name: a larger mtime replaces another, an equal one does not."""

    def __init__(self) -> None:
        self._files: dict[str, Holder] = {}
        self._bytes = 0

    @property
    def files(self) -> Mapping[str, Holder]:
        """The holder of each name."""
        return self._files

    def announce(self, place: Place, files: Mapping[str, int]) -> int:
        """Enter a peer's files with their mtimes; return how many found no room."""
        left_out = 0
        for name, mtime in files.items():
            known = self._files.get(name)
            if known is not None and known.mtime >= mtime:
                continue
            if known is None:
                if self._bytes + _size(name) > MAX_DIRECTORY_BYTES:
                    left_out += 1
                    continue
                self._bytes += _size(name)
            self._files[name] = Holder(place.ip, place.port, mtime)
        return left_out

    def forget(self, place: Place) -> bool:
        """Remove what a peer holds; tell whether there was anything."""
        gone = [name for name, it in self._files.items() if (it.ip, it.port) == place]
        for name in gone:
            del self._files[name]
            self._bytes -= _size(name)
        return bool(gone)


def _size(name: str) -> int:
    return _ENTRY_BYTES + (len(name) if name.isascii() else 12 * len(name))
