"""The journal of a download: what the state directory keeps across a crash."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from blake3 import blake3

from peer_cli.network import wire
from peer_cli.transfer.manifest import Manifest
from store.durable import replace_file


class Entry(msgspec.Struct, frozen=True):
    """One download.

    `aside` is set when the commit begins: the paths in the root to move aside, `version.ini` first.
    """

    root: str
    game_id: str
    version: str
    made_root: bool
    files: list[wire.File]
    aside: list[str] | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest of the download."""
        return Manifest(self.game_id, self.version, tuple(self.files))


@dataclass(frozen=True, slots=True)
class Journal:
    """One journal file; every method may raise OSError."""

    path: Path

    def read(self) -> Entry | None:
        """Return the entry; None if there is none, or a damaged one."""
        try:
            return msgspec.msgpack.decode(self.path.read_bytes(), type=Entry)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write(self, entry: Entry) -> None:
        """Replace the entry durably and atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, msgspec.msgpack.encode(entry), self._aside, durable=True)

    def delete(self) -> None:
        """Forget the download."""
        self.path.unlink(missing_ok=True)
        self._aside.unlink(missing_ok=True)

    @property
    def _aside(self) -> Path:
        return self.path.with_suffix(".new")


def journal_of(state_dir: Path, root: Path) -> Journal:
    """Return the journal of the download into this root.

    The file name is a hash, because an id may be as long as a name can be, and libraries may share
    ids. It does not depend on which path names the library.
    """
    name = blake3(os.fsencode(Path(os.path.realpath(root.parent), root.name))).hexdigest(16)
    return Journal(state_dir / "downloads" / f"{name}.journal")


def journals(state_dir: Path) -> list[Journal]:
    """Return all journals, in a fixed order. Raises OSError."""
    try:
        paths = sorted((state_dir / "downloads").iterdir())
    except FileNotFoundError:
        return []
    return [Journal(path) for path in paths if path.suffix == ".journal"]
