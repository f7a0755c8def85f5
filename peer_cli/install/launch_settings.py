"""Stamps the player's name and language into an installed game, once per install.

Game files are edited as bytes: what is not replaced stays as it is, whatever its encoding. File
names and the key in the .ini file are found in any case, because the games come from Windows.
"""

import os
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_ACCOUNT_FILE = "account_name.txt"
_LANGUAGE_FILE = "language.txt"
_EMULATOR_FILE = "smartsteamemu.ini"
_ASIDE = ".lanspread-tmp"
_VALUE_BYTES = 255

# The value, between the spacing before it and the spacing and line end behind it.
_PERSONA_NAME = re.compile(
    rb"^((?:\xef\xbb\xbf)?[ \t]*PersonaName[ \t]*=[ \t]*)[^\r\n]*?(?=[ \t]*(?:\r|\n|\Z))",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class LaunchOutcome:
    """What `play` did: each `…_written` says whether there was a place for the value."""

    already_applied: bool = False
    account_name_written: bool = False
    language_written: bool = False
    persona_name_written: bool = False


def apply_launch_settings(
    local: Path, state_dir: Path, game_id: str, username: str, language: str
) -> LaunchOutcome:
    """Stamp name and language into the game's files, unless that was done since its install.

    `local` is the installed folder. Raises ValueError for a name or language that cannot stand in
    one line, and OSError when a file cannot be read or written; then the next call does it all
    again.
    """
    name = _check_value("user name", username)
    stamped_language = _check_value("language", language)
    marker = _marker(state_dir, game_id)
    if marker.exists():
        return LaunchOutcome(already_applied=True)
    files = _find_first(local)
    outcome = LaunchOutcome(
        account_name_written=_replace_whole(files.get(_ACCOUNT_FILE), name),
        language_written=_replace_whole(files.get(_LANGUAGE_FILE), stamped_language),
        persona_name_written=_replace_persona_name(files.get(_EMULATOR_FILE), name),
    )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    return outcome


def clear_marker(state_dir: Path, game_id: str) -> None:
    """Forget that the settings were applied: the next `play` does it. Raises OSError."""
    _marker(state_dir, game_id).unlink(missing_ok=True)


def with_persona_name(text: bytes, name: bytes) -> bytes | None:
    """Return `text` with the value of its first PersonaName line replaced, None without one."""
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
    """Return the first regular file of each name, folders and files in the order of their names.

    A folder's own files come before those of its subfolders. Links are not followed: they could
    lead out of the game.
    """
    wanted = {_ACCOUNT_FILE, _LANGUAGE_FILE, _EMULATOR_FILE}
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(local):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if name.lower() in wanted and path.is_file() and not path.is_symlink():
                found.setdefault(name.lower(), path)
        if len(found) == len(wanted):
            break
    return found


def _replace_whole(path: Path | None, value: bytes) -> bool:
    if path is None:
        return False
    _write_aside(path, value)
    return True


def _replace_persona_name(path: Path | None, name: bytes) -> bool:
    text = with_persona_name(path.read_bytes(), name) if path is not None else None
    if path is None or text is None:
        return False
    _write_aside(path, text)
    return True


def _write_aside(path: Path, text: bytes) -> None:
    """Replace a file in one step, so that a crash leaves the old text or the new."""
    aside = path.with_name(path.name + _ASIDE)
    aside.write_bytes(text)
    shutil.copymode(path, aside)
    aside.replace(path)
