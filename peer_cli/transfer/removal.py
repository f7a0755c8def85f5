"""Deletes the downloaded files of a game."""

import contextlib
from pathlib import Path

from peer_cli.library.scan import VERSION_FILE, look_through, scan_game, summary


def is_downloaded(root: Path) -> bool:
    """Tell whether there is anything to remove, by looking at the disk."""
    game = scan_game(root)
    return game is not None and (game.downloaded or game.problem is not None)


def remove_downloaded(root: Path) -> None:
    """Delete a game's served files, `version.ini` first, so that no partial game is offered.

    Links and reserved names stay, and so does their folder. Raises OSError, also for what cannot be
    examined and so stays, after deleting everything else.
    """
    (root / VERSION_FILE).unlink(missing_ok=True)
    content = look_through(root)
    for file in content.files:
        (root / file.relative_path).unlink(missing_ok=True)
    if content.problems:
        raise OSError(f"something stays in its folder. {summary(content.problems)}")
    with contextlib.suppress(OSError):  # not empty, so something in there is not ours
        for folder in sorted(content.folders, reverse=True):
            folder.rmdir()
