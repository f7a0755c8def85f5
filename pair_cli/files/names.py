"""Names of shared files."""

from pathlib import Path, PurePosixPath

from store.names import UnsafeName, check_relative_path, resolve_inside, unsafe

PRIVATE = ".pair-cli"
"""The folder in the shared folder for what is being written; never shared."""


def check_shared_path(text: str) -> PurePosixPath:
    """Return `text` as a path below the shared folder. Raises UnsafeName."""
    path = check_relative_path(text)
    if path.parts[0].casefold() == PRIVATE:
        raise unsafe(text, "is this program's own")
    return path


def disk_path(folder: Path, disk: str) -> Path:
    """Return where a file of the folder is. Raises UnsafeName if a link leads out of the folder."""
    return resolve_inside(folder, PurePosixPath(disk).parent) / PurePosixPath(disk).name


def relative_to_folder(folder: Path, text: str) -> str:
    """Return the shared path that a user's path means: relative to the folder, or in it.

    Raises UnsafeName.
    """
    path = Path(text)
    if path.is_absolute():
        for root in (folder, Path(folder).resolve()):
            if path.is_relative_to(root) and path != root:
                text = str(path.relative_to(root))
                break
        else:
            raise UnsafeName(
                f"{text!r} is not in the shared folder {folder}; move or copy it there first."
            )
    return str(check_shared_path(str(PurePosixPath(text.removeprefix("./").rstrip("/") or text))))
