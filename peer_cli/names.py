"""Checks names of games and of the files in them.

`store.names` has the checks for every name from outside. In a game's root, some names are reserved.
"""

import re
import unicodedata
from pathlib import Path, PurePosixPath

from store.names import Resolver, check_relative_path, unsafe

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
"""Names in a game's root that are never served or accepted, in any case."""

# Default_Ignorable_Code_Point of the Unicode Character Database.
_NEVER_SHOWN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def check_served_path(text: str) -> PurePosixPath:
    """Like `check_relative_path`, and rejects paths under a reserved name of a game's root."""
    path = check_relative_path(text)
    if is_reserved(path.parts[0]):
        raise unsafe(text, f"is under the reserved name {path.parts[0]!r}")
    return path


def check_game_id(text: str) -> str:
    """Return `text` if it can be a game's id, which is the name of its folder.

    Raises UnsafeName like `check_relative_path`, and for several parts, a reserved name or a
    leading dot.
    """
    path = check_relative_path(text)
    if len(path.parts) != 1:
        raise unsafe(text, "has more than one part")
    if text.startswith("."):
        raise unsafe(text, "begins with a dot")
    if is_reserved(text):
        raise unsafe(text, "is a reserved name")
    return text


def is_reserved(name: str) -> bool:
    """Tell whether `name` in a game's root is reserved, or opens a reserved name on some disk.

    On some file systems `LOCAL` opens `local`; on others so does `local` with an invisible
    character in it (ext4 with casefold, HFS+) or with dots and spaces after it (FAT).
    """
    seen = _NEVER_SHOWN.sub("", unicodedata.normalize("NFD", name)).rstrip(". ")
    return seen.casefold() in RESERVED_NAMES


class ServedPaths:
    """Finds the real paths of a game's files, for one pass (see `store.names.Resolver`)."""

    def __init__(self, root: Path) -> None:
        self._resolver = Resolver(root)

    def resolve(self, relative: PurePosixPath) -> Path:
        """See `resolve_served`."""
        inside = self._resolver.inside(relative)
        if not inside or is_reserved(inside.partition("/")[0]):
            raise unsafe(str(relative), "leads to what is never served")
        return Path(self._resolver.root, inside)


def resolve_served(root: Path, relative: PurePosixPath) -> Path:
    """Like `resolve_inside` for a game's root, and rejects links to what is never served."""
    return ServedPaths(root).resolve(relative)
