"""Deleting the downloaded files of a game."""

import contextlib
from pathlib import Path

from peer_cli.library.scan import served_files, served_folders
from peer_cli.transfer.manifest import VERSION_FILE


def remove_downloaded(root: Path) -> None:
    """Delete what of a game is served, `version.ini` first: never half of a game is offered.

    Links and reserved names stay, and with them the folder. Raises OSError.
    """
    (root / VERSION_FILE).unlink(missing_ok=True)
    for file in served_files(root):
        (root / file.relative_path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: something in there is not ours
        for folder in sorted(served_folders(root), reverse=True):
            folder.rmdir()
        root.rmdir()
