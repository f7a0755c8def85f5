"""Stamps the player's name and language into an installed game, once per install.

Game files are edited as bytes, so everything else in them stays as it is, whatever its encoding.
File names and the key in the .ini file match in any case, because the games come from Windows.
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from store.durable import replace_file

_ACCOUNT_FILE = "account_name.txt"
_LANGUAGE_FILE = "language.txt"
_EMULATOR_FILE = "smartsteamemu.ini"
_ASIDE = ".lanspread-tmp"
_VALUE_BYTES = 255

# Groups: everything before the value, the value, and the spacing and line ending after it.
_PERSONA_NAME = re.compile(
    rb"^((?:\xef\xbb\xbf)?[ \t]*PersonaName[ \t]*=[ \t]*)[^\r\n]*?(?=[ \t]*(?:\r|\n|\Z))",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class AppliedSettings:
    """What `play` did: each `…_written` is true if there was a file to write the value to."""

    already_applied: bool = False
    account_name_written: bool = False
    language_written: bool = False
    persona_name_written: bool = False


def apply_launch_settings(
    local: Path, state_dir: Path, game_id: str, username: str, language: str
) -> AppliedSettings:
    """Stamp name and language into the game's files, unless done since its install.

    `local` is the installed folder. Raises ValueError for a name or language that does not fit on
    one line, and OSError when a file cannot be read or written. After an error the next call starts
    over.
    """
    name = _check_value("user name", username)
    stamped_language = _check_value("language", language)
    marker = _marker(state_dir, game_id)
    if marker.exists():
        return AppliedSettings(already_applied=True)
    files = _find_first(local)
    outcome = AppliedSettings(
        account_name_written=_replace_whole(files.get(_ACCOUNT_FILE), name),
        language_written=_replace_whole(files.get(_LANGUAGE_FILE), stamped_language),
        persona_name_written=_replace_persona_name(files.get(_EMULATOR_FILE), name),
    )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    return outcome


def clear_marker(state_dir: Path, game_id: str) -> None:
    """Forget that the settings were applied: the next `play` applies them. Raises OSError."""
    _marker(state_dir, game_id).unlink(missing_ok=True)


def with_persona_name(text: bytes, name: bytes) -> bytes | None:
    """Return `text` with the value of its first PersonaName line replaced, None if it has none."""
    changed, count = _PERSONA_NAME.subn(lambda match: match[1] + name, text, count=1)
    return changed if count else None


def _marker(state_dir: Path, game_id: str) -> Path:
    return state_dir / "games" / game_id / "launch_settings_applied"


def _check_value(what: str, value: str) -> bytes:
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"The {what} is not valid Unicode.") from error
    if not 0 < len(encoded) <= _VALUE_BYTES:
        raise ValueError(f"The {what} must have 1 to {_VALUE_BYTES} bytes, not {len(encoded)}.")
    # Control characters, and the line and paragraph separators of Unicode.
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in value):
        raise ValueError(f"The {what} must be one line without control characters.")
    return encoded


def _find_first(local: Path) -> dict[str, Path]:
    """Return the first regular file of each name, searching in the order of names.

    A folder's own files come before those of its subfolders. Links are not followed, since they
    could lead out of the game. Raises OSError for an unreadable folder, which could hide a file.
    """
    wanted = {_ACCOUNT_FILE, _LANGUAGE_FILE, _EMULATOR_FILE}
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(local, onerror=_raise_unless_gone):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if name.lower() in wanted and path.is_file() and not path.is_symlink():
                found.setdefault(name.lower(), path)
        if len(found) == len(wanted):
            break
    return found


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _replace_whole(path: Path | None, value: bytes) -> bool:
    if path is None:
        return False
    _rewrite(path, value)
    return True


def _replace_persona_name(path: Path | None, name: bytes) -> bool:
    text = with_persona_name(path.read_bytes(), name) if path is not None else None
    if path is None or text is None:
        return False
    _rewrite(path, text)
    return True


def _rewrite(path: Path, text: bytes) -> None:
    aside = path.with_name(path.name + _ASIDE)
    replace_file(path, text, aside, durable=False, keep_mode=True)
