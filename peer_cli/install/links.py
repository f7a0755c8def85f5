"""Which archive entries that refer to another file can be installed."""

from pathlib import Path

from peer_cli.install.entries import EntryBegin
from peer_cli.install.errors import InstallError


def check_copy(entry: EntryBegin, path: Path) -> None:
    """Raise InstallError for a reference whose original is not a file of the archive."""
    if entry.size < 0:
        raise InstallError(
            "entry-is-link",
            f"The archive {path.name} holds {entry.name!r} as a reference to {entry.copy_of!r}, "
            "which is not a file in it.",
        )


def link_error(name: str, path: Path) -> InstallError:
    """Return the error for an entry that is a link to another file or folder."""
    return InstallError(
        "entry-is-link",
        f"The archive {path.name} holds the link {name!r}; "
        "only files, folders and copies of files can be installed.",
    )
