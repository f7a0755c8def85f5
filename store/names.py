"""Checks names that come from outside: from the network, from stdin, from archives.

Every such name passes one of these functions before it reaches the file system. They reject what
is dangerous on any system that peers run on, and nothing else: a colon or a trailing dot is an
ordinary character. Names keep their Unicode form.
"""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

MAX_DEPTH = 64
"""The most folders above a file. Nobody needs more, and every recursion can handle this many."""

MAX_PART_BYTES = 255
# Half of Linux's limit. The rest is for the folders in front of it.
MAX_PATH_BYTES = 2048
_DRIVE_LETTER = re.compile(r"[A-Za-z]:")


class UnsafeName(ValueError):  # noqa: N818 - reads well where it is raised and caught
    """A name that must not reach the file system; the message says which rule it breaks."""


def check_relative_path(text: str) -> PurePosixPath:
    """Return `text`, parts separated by `/`, as a path that stays below its folder.

    Raises UnsafeName for an absolute or empty path, an empty part, `.` or `..`, a backslash, a part
    that begins like a drive (`C:`), control characters, invalid Unicode, a part over 255 bytes, a
    path over 2048 bytes of UTF-8, and more than `MAX_DEPTH` folders.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise unsafe(text, "is not valid Unicode") from None
    if size > MAX_PATH_BYTES:
        raise unsafe(text, f"is longer than {MAX_PATH_BYTES} bytes")
    if not text:
        raise unsafe(text, "is empty")
    if text.startswith("/"):
        raise unsafe(text, "is absolute")
    if "\\" in text:
        raise unsafe(text, "has a backslash")
    if not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text):
        raise unsafe(text, "has a control character")
    parts = text.split("/")
    if len(parts) > MAX_DEPTH + 1:
        raise unsafe(text, f"has more than {MAX_DEPTH} folders")
    for part in parts:
        if part in ("", ".", ".."):
            raise unsafe(text, f"has the part {part!r}")
        # In any part, not only the first: code that joins paths part by part would jump to the
        # drive.
        if _DRIVE_LETTER.match(part):
            raise unsafe(text, "has a drive letter")
        if len(part.encode()) > MAX_PART_BYTES:
            raise unsafe(text, f"has a part longer than {MAX_PART_BYTES} bytes")
    return PurePosixPath(text)


class Resolver:
    """Finds real paths below one root. It looks at each folder once, so it is for one pass only."""

    def __init__(self, root: Path) -> None:
        """`root` may itself be a link."""
        # Not Path.resolve, which up to Python 3.12 raises RuntimeError for a loop of links.
        self.root = os.path.realpath(root)
        self._below = os.path.join(self.root, "")  # noqa: PTH118 - text, because files are many
        self._folders: dict[str, str] = {}

    def resolve(self, relative: PurePosixPath) -> Path:
        """See `resolve_inside`."""
        return Path(self.root, self.inside(relative))

    def inside(self, relative: PurePosixPath) -> str:
        """Return the real path of `relative`, relative to the real root; "" for the root itself.

        Raises UnsafeName like `resolve_inside`.
        """
        folder, _, name = str(relative).rpartition("/")
        real = self._folders.get(folder)
        if real is None:
            real = os.path.realpath(os.path.join(self.root, folder))  # noqa: PTH118 - as above
            self._folders[folder] = real
        target = os.path.join(real, name)  # noqa: PTH118 - as above
        if name in (".", "..") or os.path.islink(target):  # noqa: PTH114 - as above
            target = os.path.realpath(target)
        if target == self.root:
            return ""
        if not target.startswith(self._below):
            raise unsafe(str(relative), "leaves its folder through a link")
        return target[len(self._below) :]


def resolve_inside(root: Path, relative: PurePosixPath) -> Path:
    """Return the real path of `relative` below `root`: absolute, with every link followed.

    The path need not exist. Raises UnsafeName when a link leads out of `root`. Open the result with
    O_NOFOLLOW, in case someone replaces it with a link meanwhile.
    """
    return Resolver(root).resolve(relative)


def unsafe(text: str, broken_rule: str) -> UnsafeName:
    """Return the error for a name that breaks a rule, short and safe for a terminal."""
    shown = text if len(text) <= 80 else text[:80] + "…"
    return UnsafeName(f"The name {shown!a} {broken_rule}; it is not accepted.")
