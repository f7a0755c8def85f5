"""The folders of live nodes: who is live, and what dead ones have left."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scenarios.core.backends.shared_network import LIVE
from scenarios.core.locks import exclusive
from scenarios.core.sweep import release_mounts

ADDRESS, LOCK = "address", "lock"


def neighbours() -> dict[str, str]:
    """Return the addresses of live nodes on this machine, by name."""
    found = {}
    for folder in _folders():
        address = folder / ADDRESS
        if address.exists() and not _is_abandoned(folder):
            found[folder.name.rpartition("-")[0]] = address.read_text(encoding="utf-8")
    return found


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """Provide a folder for this live node; remove it, and those of dead ones."""
    with ExitStack() as stack:
        with exclusive(LIVE / LOCK):
            _remove_abandoned()
            made = tempfile.TemporaryDirectory(
                prefix=f"{name}-", dir=LIVE, ignore_cleanup_errors=True
            )
            own = stack.enter_context(made)
            stack.enter_context(exclusive(Path(own, LOCK)))
        try:
            yield Path(own)
        finally:
            release_mounts(Path(own))


def remove_abandoned() -> list[str]:
    """Remove what killed live nodes have left, mounts first; return descriptions of it."""
    if not LIVE.exists():
        return []
    with exclusive(LIVE / LOCK):
        return _remove_abandoned()


def _remove_abandoned() -> list[str]:
    # Under a lock, for a folder whose live node does not hold its lock yet looks abandoned.
    removed = []
    for folder in _folders():
        if _is_abandoned(folder):
            removed += [f"the mount on {place}" for place in release_mounts(folder)]
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                removed.append(f"the files of the live node {folder.name}")
    return removed


def _folders() -> list[Path]:
    return sorted(LIVE.glob("*-*/"))


def _is_abandoned(folder: Path) -> bool:
    """Whether no live node holds the folder's lock, which ends with the process."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return False  # being created or removed
    return True
