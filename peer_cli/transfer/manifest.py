"""Manifests: what files a game has, by content; and how sources agree on one. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from blake3 import blake3

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.names import UnsafeName, check_served_path
from peer_cli.network import wire

CHUNK_SIZE = 128 << 20
VERSION_FILE = "version.ini"


class ManifestError(Exception):
    """A manifest that cannot be right; the text says why."""


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
        """Return the BLAKE3 (32 bytes) of the manifest: equal for equal content only.

        It is taken over the msgpack array of [path, size, [block hashes]] of the files, and is
        what a catalog's optional `content_digest` holds.
        """
        rows = [[file.path, file.size, file.blocks] for file in self.files]
        return blake3(msgspec.msgpack.encode(rows)).digest()


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` bytes of one file from `offset`: the unit of planning and reporting."""

    index: int
    file: int
    path: str
    offset: int
    length: int


def check_manifest(reply: wire.ManifestReply, game_id: str, version: str) -> Manifest:
    """Turn what a source said into a Manifest. Raises ManifestError for anything impossible."""
    if reply.game_id != game_id or reply.version != version:
        raise ManifestError(f"it is of {reply.game_id} {reply.version}")
    seen: set[str] = set()
    previous = ""
    for file in reply.files:
        try:
            path = check_served_path(file.path)
        except UnsafeName as error:
            raise ManifestError(str(error)) from error
        if str(path) != file.path or file.path <= previous:
            raise ManifestError(f"{file.path!r} is out of order or not in its plain form")
        if len(file.blocks) != -(-file.size // BLOCK_SIZE):
            raise ManifestError(
                f"{file.path!r} has {len(file.blocks)} hashes for {file.size} bytes"
            )
        if any(str(parent) in seen for parent in path.parents):
            raise ManifestError(f"{file.path!r} lies below a file")
        seen.add(file.path)
        previous = file.path
    if VERSION_FILE not in seen:
        raise ManifestError(f"it lacks {VERSION_FILE}")
    return Manifest(game_id, version, tuple(reply.files))


@dataclass(frozen=True, slots=True)
class Agreement:
    """The manifest of the strictly largest group of sources, and its members in given order."""

    manifest: Manifest
    members: tuple[str, ...]


def agree(
    offers: Sequence[tuple[str, Manifest]], content_digest: bytes | None = None
) -> Agreement | None:
    """Group (peer id, manifest) pairs by content; return the strictly largest group, else None.

    With a `content_digest` from the catalog there is nothing to vote on: only what matches it
    counts.
    """
    groups: defaultdict[bytes, list[tuple[str, Manifest]]] = defaultdict(list)
    for offer in offers:
        groups[offer[1].digest()].append(offer)
    if content_digest is not None:
        winners = groups.get(content_digest, [])
    else:
        ranked = sorted(groups.values(), key=len, reverse=True)
        if not ranked or (len(ranked) > 1 and len(ranked[0]) == len(ranked[1])):
            return None
        winners = ranked[0]
    if not winners:
        return None
    return Agreement(winners[0][1], tuple(peer_id for peer_id, _ in winners))


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
