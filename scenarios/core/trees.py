"""Snapshots of folders, and the differences between two of them."""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from blake3 import blake3

Kind: TypeAlias = Literal["file", "folder", "link", "other"]
Ignore: TypeAlias = Callable[[PurePosixPath], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder. ``digest``: BLAKE3 (hex) of a file, target of a link, or empty."""

    kind: Kind
    size: int = 0  # bytes; 0 unless it is a file
    digest: str = ""

    def __str__(self) -> str:
        if self.kind == "file":
            return f"file of {self.size} bytes, BLAKE3 {self.digest[:16]}…"
        return f"link to {self.digest}" if self.kind == "link" else self.kind


Tree: TypeAlias = Mapping[str, Entry]


def tree(root: Path, ignore: Ignore | None = None) -> dict[str, Entry]:
    """Return everything below ``root`` by relative path with slashes; does not follow links.

    ``ignore`` gets each relative path; an ignored folder is not entered. Raises OSError, also if
    ``root`` does not exist.
    """
    found: dict[str, Entry] = {}
    open_folders = [PurePosixPath()]
    while open_folders:
        folder = open_folders.pop()
        with os.scandir(root / folder) as children:
            for child in children:
                relative = folder / child.name
                if ignore is not None and ignore(relative):
                    continue
                entry = _entry(Path(child.path))
                found[str(relative)] = entry
                if entry.kind == "folder":
                    open_folders.append(relative)
    return dict(sorted(found.items()))


def differences(got: Tree, want: Tree) -> list[str]:
    """Return one sentence for each difference in names, kinds, sizes and content."""
    found: list[str] = []
    for name in sorted(got.keys() | want.keys()):
        mine, theirs = got.get(name), want.get(name)
        if mine is None:
            found.append(f"{name} is missing (wanted: {theirs})")
        elif theirs is None:
            found.append(f"{name} should not be there (it is a {mine})")
        elif mine.kind != theirs.kind:
            found.append(f"{name} is a {mine}, wanted: {theirs}")
        elif mine.size != theirs.size:
            found.append(f"{name} has {mine.size} bytes, wanted: {theirs.size}")
        elif mine.digest != theirs.digest:
            found.append(f"{name} has other content: {mine}, wanted: {theirs}")
    return found


def _entry(path: Path) -> Entry:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            # Its `update` returns itself, not None as typeshed wants.
            digest = hashlib.file_digest(file, blake3).hexdigest()  # type: ignore[arg-type]
        return Entry("file", status.st_size, digest)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", 0, str(path.readlink()))
    return Entry("folder" if stat.S_ISDIR(status.st_mode) else "other")
