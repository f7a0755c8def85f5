"""Writes that survive a crash, and a power cut."""

import os
import shutil
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(
    path: Path, content: bytes, aside: Path, *, durable: bool, keep_mode: bool = False
) -> None:
    """Replace a file in one step: after a crash it has either the old content or the new.

    `aside`, in the same folder, has the new content meanwhile, and is left behind by a crash or an
    error. If `durable`, the new content also survives a power cut from here on. Raises OSError.
    """
    with aside.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if keep_mode:
        shutil.copymode(path, aside)
    aside.replace(path)
    if durable:
        sync_folder(path.parent)
