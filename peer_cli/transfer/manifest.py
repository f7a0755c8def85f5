"""Manifests: a game's files by content. Pure."""

import threading
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import msgspec
from blake3 import blake3

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.library.scan import VERSION_FILE
from peer_cli.names import check_served_path
from peer_cli.network import wire
from store.names import UnsafeName

CHUNK_SIZE = 128 << 20


class ManifestError(Exception):
    """An invalid manifest; the text says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a game at a version, in ascending order of path."""

    game_id: str
    version: str
    files: tuple[wire.File, ...]

    @property
    def total_bytes(self) -> int:
        """The sum of all files' sizes."""
        return sum(file.size for file in self.files)

    def digest(self) -> bytes:
        """Return the BLAKE3 (32 bytes) of the manifest; equal exactly when the content is equal.

        It hashes the msgpack array of [path, size, [block hashes]] of the files. A catalog's
        optional `content_digest` holds the same. Executable bits and times are left out: some disks
        do not keep them, copies may differ, and the game is the same.
        """
        rows = [[file.path, file.size, file.blocks] for file in self.files]
        return blake3(msgspec.msgpack.encode(rows)).digest()

    def attributes(self) -> bytes:
        """Return the BLAKE3 (32 bytes) of the attributes that `digest` leaves out.

        It hashes the msgpack array of [executable, mtime_ns] of the files.
        """
        rows = [[file.executable, file.mtime_ns] for file in self.files]
        return blake3(msgspec.msgpack.encode(rows)).digest()

    def opinion(self) -> tuple[bytes, bytes]:
        """Return what a source with this manifest votes for: `digest` and `attributes`."""
        return self.digest(), self.attributes()


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` bytes of one file from `offset`: the unit of planning and reporting."""

    index: int
    file: int
    path: str
    offset: int
    length: int


def check_manifest(
    reply: wire.ManifestReply,
    game_id: str,
    version: str,
    cancelled: threading.Event | None = None,
) -> Manifest:
    """Turn a source's reply into a Manifest. Raises ManifestError for anything invalid.

    Takes time in proportion to the reply's size. Raises InterruptedError once `cancelled` is set.
    """
    if reply.game_id != game_id or reply.version != version:
        raise ManifestError(f"it is of {reply.game_id} {reply.version}")
    paths: set[str] = set()
    folders = {""}
    previous = ""
    for file in reply.files:
        if cancelled is not None and cancelled.is_set():
            raise InterruptedError
        if file.path <= previous:
            raise ManifestError(f"{file.path!r} is out of order")
        try:
            check_served_path(file.path)
        except UnsafeName as error:
            raise ManifestError(str(error)) from error
        if len(file.blocks) != -(-file.size // BLOCK_SIZE):
            raise ManifestError(
                f"{file.path!r} has {len(file.blocks)} hashes for {file.size} bytes"
            )
        folder = file.path.rpartition("/")[0]
        while folder not in folders:  # everything above a known folder is checked already
            if folder in paths:
                raise ManifestError(f"{file.path!r} lies below a file")
            folders.add(folder)
            folder = folder.rpartition("/")[0]
        paths.add(file.path)
        previous = file.path
    if VERSION_FILE not in paths:
        raise ManifestError(f"it lacks {VERSION_FILE}")
    return Manifest(game_id, version, tuple(reply.files))


def name_clash(wanted: Collection[str], held: Collection[str]) -> str | None:
    """Compare the paths created on a disk with those it lists; describe the first difference.

    Returns None if the disk lists every path as it was created. A disk that ignores case or Unicode
    normal forms lists one name where two were created.
    """
    missing = sorted(set(wanted) - set(held))
    if not missing:
        return None
    for other in sorted(wanted):
        alike = _alike(other, missing[0])
        if alike is not None:
            return (
                f"this disk takes {alike[0]!a} and {alike[1]!a} for one name; "
                "download the game to a disk that tells them apart"
            )
    return f"this disk does not keep the name {missing[0]!a} as it is; use another disk"


def _alike(one: str, other: str) -> tuple[str, str] | None:
    """Return the prefixes of two paths that are alike but not equal, None if there are none."""
    ours, theirs = one.split("/"), other.split("/")
    for count in range(1, min(len(ours), len(theirs)) + 1):
        pair = "/".join(ours[:count]), "/".join(theirs[:count])
        if pair[0] != pair[1]:
            folded = [unicodedata.normalize("NFKC", path).casefold() for path in pair]
            return pair if folded[0] == folded[1] else None
    return None


def chunks_of(manifest: Manifest) -> list[Chunk]:
    """Cut every file into chunks of CHUNK_SIZE, the last one shorter; an empty file has one."""
    pieces: Iterable[tuple[int, int, int]] = (
        (number, offset, min(CHUNK_SIZE, file.size - offset))
        for number, file in enumerate(manifest.files)
        for offset in range(0, max(file.size, 1), CHUNK_SIZE)
    )
    return [
        Chunk(index, number, manifest.files[number].path, offset, length)
        for index, (number, offset, length) in enumerate(pieces)
    ]
