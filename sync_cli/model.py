"""What peers know of one path: its entry, and the version vector that tells which entry is newer.

All of it is pure. An entry is a value: what is on disk, or what a peer says is on its disk.
"""

import enum
import re
from typing import TypeAlias

import msgspec

BLOCK_SIZE = 1024 * 1024
"""Bytes per block hash; the last block of a file may be shorter."""

HASH_BYTES = 32
MAX_PATH_BYTES = 4096
MAX_PART_BYTES = 255
MAX_BLOCKS = 1 << 19
"""The most blocks of a file (512 GiB), which bounds the size of an entry."""

OWN_FOLDER = b".sync"
"""The synchroniser's own folder, at the top of the synchronised one; it is never synchronised."""

_MAX_TARGET_BYTES = 4096
_MAX_MAKERS = 4096
_MAX_INTEGER = (1 << 63) - 1

Vector: TypeAlias = tuple[tuple[str, int], ...]
"""A version vector: (index id, counter) for each index that made a version, sorted by id."""


class Kind(enum.IntEnum):
    """What is at a path. Of two concurrent changes, the higher kind wins."""

    GONE = 0
    FILE = 1
    LINK = 2
    FOLDER = 3


class BadEntry(ValueError):  # noqa: N818 - reads well where it is raised and caught
    """An entry that no peer of ours sends; the message says what is wrong with it."""


class Entry(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """One version of one path.

    `version` covers all that was known when it was made, so it also grows when versions are joined.
    The content itself was made once, as number `made` of the index `maker`, by the peer `author`.
    `edited_ns` (unix nanoseconds) is the modification time, or the time of the deletion, with times
    that its maker took for the future cut off: it decides conflicts. `mtime_ns` is for the disk.
    `hash` is the BLAKE3 of the bytes, or of a link's target; `blocks` are those of the blocks, one
    after the other, and empty for files of one block.
    """

    path: bytes
    kind: Kind
    version: Vector
    maker: str
    made: int
    author: str
    edited_ns: int
    mtime_ns: int = 0
    size: int = 0
    executable: bool = False
    hash: bytes = b""
    blocks: bytes = b""
    target: bytes = b""

    @property
    def alive(self) -> bool:
        """Tell whether there is anything at the path."""
        return self.kind is not Kind.GONE

    @property
    def block_count(self) -> int:
        """Return the number of blocks; 0 for what has no bytes."""
        return -(-self.size // BLOCK_SIZE)

    def block_hash(self, block: int) -> bytes:
        """Return the hash of one block."""
        if not self.blocks:
            return self.hash
        return self.blocks[block * HASH_BYTES : (block + 1) * HASH_BYTES]

    def block_size(self, block: int) -> int:
        """Return the length of one block in bytes."""
        return min(BLOCK_SIZE, self.size - block * BLOCK_SIZE)

    def same_content(self, other: "Entry") -> bool:
        """Tell whether both have the same kind and bytes, whatever their versions say."""
        return self.kind is other.kind and self.hash == other.hash


def counter(version: Vector, index_id: str) -> int:
    """Return the counter of an index in a vector; 0 if it is not in it."""
    for one, number in version:
        if one == index_id:
            return number
    return 0


def includes(version: Vector, other: Vector) -> bool:
    """Tell whether `version` knows of everything that `other` knows of."""
    known = dict(version)
    return all(known.get(one, 0) >= number for one, number in other)


def merged(version: Vector, other: Vector) -> Vector:
    """Return the smallest vector that includes both."""
    numbers = dict(version)
    for one, number in other:
        numbers[one] = max(numbers.get(one, 0), number)
    return tuple(sorted(numbers.items()))


def advanced(version: Vector, index_id: str, number: int) -> Vector:
    """Return the vector of a change that index makes as its `number`."""
    return merged(version, ((index_id, number),))


def check_path(path: bytes) -> None:
    """Check a path from outside. Any byte but `/` and NUL is an ordinary part of a name.

    Raises BadEntry for one that is empty, absolute, leaves its folder, is too long for any disk or
    is the synchroniser's own.
    """
    if not path or len(path) > MAX_PATH_BYTES:
        raise BadEntry(f"A path has {len(path)} bytes; 1 to {MAX_PATH_BYTES} are possible.")
    parts = path.split(b"/")
    if b"\0" in path or not {b"", b".", b".."}.isdisjoint(parts):
        raise BadEntry(f"The path {path_text(path)!a} is not inside the folder.")
    if max(map(len, parts)) > MAX_PART_BYTES:
        raise BadEntry(f"A part of {path_text(path)!a} is over {MAX_PART_BYTES} bytes long.")
    if is_own(path):
        raise BadEntry(f"The path {path_text(path)!a} is the synchroniser's own.")


def is_own(path: bytes) -> bool:
    """Tell whether a path is the synchroniser's own, or would be on a disk that ignores case."""
    return path.split(b"/", 1)[0].lower() == OWN_FOLDER


def check_entry(entry: Entry) -> None:
    """Check an entry from outside. Raises BadEntry."""
    check_path(entry.path)
    shown = path_text(entry.path)
    ids = [one for one, _ in entry.version]
    if not 0 < len(ids) <= _MAX_MAKERS or ids != sorted(set(ids)):
        raise BadEntry(f"The version of {shown!a} is not a sorted vector.")
    numbers = [number for _, number in entry.version]
    sizes = [entry.size, entry.edited_ns, *numbers, entry.made]
    if min(*numbers, entry.made) < 1 or min(sizes) < 0 or max(sizes) > _MAX_INTEGER:
        raise BadEntry(f"A number of {shown!a} is out of range.")
    if not -_MAX_INTEGER <= entry.mtime_ns <= _MAX_INTEGER:
        raise BadEntry(f"The modification time of {shown!a} is out of range.")
    if counter(entry.version, entry.maker) < entry.made:
        raise BadEntry(f"The version of {shown!a} does not include its own maker.")
    if max(len(one) for one in (entry.author, entry.maker, *ids)) > 64:
        raise BadEntry(f"An id in the version of {shown!a} is too long.")
    hashed = entry.kind in (Kind.FILE, Kind.LINK)
    if len(entry.hash) != (HASH_BYTES if hashed else 0):
        raise BadEntry(f"The hash of {shown!a} has the wrong length.")
    if entry.kind is not Kind.FILE and (entry.size or entry.executable):
        raise BadEntry(f"{shown!a} is no file but has the size or bit of one.")
    several = entry.block_count if entry.block_count > 1 else 0
    if several > MAX_BLOCKS or len(entry.blocks) != several * HASH_BYTES:
        raise BadEntry(f"The block hashes of {shown!a} do not fit its size.")
    is_link = entry.kind is Kind.LINK
    if b"\0" in entry.target or is_link != (0 < len(entry.target) <= _MAX_TARGET_BYTES):
        raise BadEntry(f"The link target of {shown!a} is impossible.")


_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


def path_text(path: bytes) -> str:
    """Return a path as text for JSON, where every name must be valid Unicode.

    UTF-8 stays as it is. A byte that is not UTF-8 becomes `\\xNN`, and a backslash two of them, so
    that `path_bytes` gets every name back.
    """
    return path.replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def path_bytes(text: str) -> bytes:
    """Return the path that `path_text` shows as `text`. Raises UnicodeEncodeError."""
    parts = []
    end = 0
    for escape in _ESCAPE.finditer(text):
        parts.append(text[end : escape.start()].encode())
        code = escape[1]
        parts.append(b"\\" if code == "\\" else bytes.fromhex(code[1:]))
        end = escape.end()
    return b"".join((*parts, text[end:].encode()))
