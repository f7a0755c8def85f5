"""Check names that come from outside: from the network, from stdin, from archives.

Every such name passes through one of these functions before it meets the file system. They refuse
what is dangerous on any system that peers run on, and nothing else: a colon or a trailing dot is
an ordinary character here, and names keep their Unicode form as it is.
"""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

RESERVED_NAMES = frozenset(
    {
        "local",
        ".local.installing",
        ".local.backup",
        ".version.ini.tmp",
        ".lanspread",
        ".lanspread.json",
    }
)
"""First parts that are never served or accepted in a game's root, whatever their case."""

_MAX_PART_BYTES = 255
_MAX_PATH_BYTES = 4096
_DRIVE_LETTER = re.compile(r"[A-Za-z]:")


class UnsafeName(ValueError):  # noqa: N818 - reads as what it is where it is raised and caught
    """A name that must not reach the file system; the message says which rule it breaks."""


def check_relative_path(text: str) -> PurePosixPath:
    """Return `text`, parts separated by `/`, as a path that stays below where it is put.

    Raises UnsafeName for an absolute or empty path, an empty part, `.` or `..`, a backslash, a part
    that begins like a drive (`C:`), control characters, text that is no valid Unicode, a part over
    255 bytes and a path over 4096 bytes of UTF-8.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _unsafe(text, "is not valid Unicode") from None
    if size > _MAX_PATH_BYTES:
        raise _unsafe(text, f"is longer than {_MAX_PATH_BYTES} bytes")
    if not text:
        raise _unsafe(text, "is empty")
    if text.startswith("/"):
        raise _unsafe(text, "is absolute")
    if "\\" in text:
        raise _unsafe(text, "has a backslash")
    if not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text):
        raise _unsafe(text, "has a control character")
    for part in text.split("/"):
        if part in ("", ".", ".."):
            raise _unsafe(text, f"has the part {part!r}")
        # In any part, not only the first: code that joins part by part would jump to the drive.
        if _DRIVE_LETTER.match(part):
            raise _unsafe(text, "has a drive letter")
        if len(part.encode()) > _MAX_PART_BYTES:
            raise _unsafe(text, f"has a part longer than {_MAX_PART_BYTES} bytes")
    return PurePosixPath(text)


def check_served_path(text: str) -> PurePosixPath:
    """Like `check_relative_path`, and refuses what lies under a reserved name of a game's root."""
    path = check_relative_path(text)
    if is_reserved(path.parts[0]):
        raise _unsafe(text, f"is under the reserved name {path.parts[0]!r}")
    return path


def check_game_id(text: str) -> str:
    """Return `text` when it can be a game's id, that is, the name of its folder.

    Raises UnsafeName as `check_relative_path` does, and for a path of several parts, a reserved
    name and a leading dot.
    """
    path = check_relative_path(text)
    if len(path.parts) != 1:
        raise _unsafe(text, "has more than one part")
    if text.startswith("."):
        raise _unsafe(text, "begins with a dot")
    if is_reserved(text):
        raise _unsafe(text, "is a reserved name")
    return text


def is_reserved(name: str) -> bool:
    """Tell whether `name` in a game's root is the peer's own.

    Case does not count, for there are file systems on which `LOCAL` opens `local`.
    """
    return name.casefold() in RESERVED_NAMES


def resolve_inside(root: Path, relative: PurePosixPath) -> Path:
    """Return where `relative` below `root` really lies: absolute, with every link followed.

    The path need not exist. `root` may itself be a link. Raises UnsafeName when a link on the way
    leaves `root`. Open the result with O_NOFOLLOW, so that a link put there since is not followed.
    """
    real_root = os.path.realpath(root)
    # Not Path.resolve: up to Python 3.12 that raises RuntimeError for links that go in a circle.
    target = Path(os.path.realpath(os.path.join(real_root, relative)))  # noqa: PTH118 - as above
    if not target.is_relative_to(real_root):
        raise _unsafe(str(relative), "leaves its folder through a link")
    return target


def resolve_served(root: Path, relative: PurePosixPath) -> Path:
    """Like `resolve_inside` for a game's root, and refuses links to what is never served."""
    real_root = Path(os.path.realpath(root))
    target = resolve_inside(real_root, relative)
    inside = target.relative_to(real_root)
    if not inside.parts or is_reserved(inside.parts[0]):
        raise _unsafe(str(relative), "leads to what is never served")
    return target


def _unsafe(text: str, broken_rule: str) -> UnsafeName:
    shown = text if len(text) <= 80 else text[:80] + "…"
    return UnsafeName(f"The name {shown!a} {broken_rule}; it is not accepted.")
