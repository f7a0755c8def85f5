"""Installs and uninstalls a game atomically: `local/` is the new install, the old one or absent.

Three names in a game's root carry all state. No journal is needed, because each name has one
meaning, whenever a crash comes:

    local               an installed game, always whole
    .local.backup       the previous `local`, always whole; exists only while it is replaced
    .local.installing   scrap: an incomplete install, or something to be deleted

Everything is renamed to `.local.installing` before it is deleted, so no other name ever stands for
a half-deleted folder. Renaming staging to `local` is the commit point: before it everything is
rolled back, after it only scrap is left. One fsync of the root makes the names durable. Like any
unpacking program, the installer does not sync file data: if the peer crashes, nothing is lost;
after a power cut, install again.
"""

import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from peer_cli.install.errors import InstallCancelled, InstallError
from peer_cli.install.extract import Extraction, InstallSummary
from peer_cli.install.launch_settings import clear_marker
from peer_cli.install.unpacker import Unpacker, unpack_archives
from store.deletion import delete_tree
from store.durable import sync_folder

LOCAL = "local"
STAGING = ".local.installing"
BACKUP = ".local.backup"


def archives_of(root: Path) -> list[Path]:
    """Return the game's archives (`*.eti`, in any case) in the order of their names.

    Links that leave the root are skipped. Raises OSError when the root or an archive in it cannot
    be examined.
    """
    home = root.resolve()
    return sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() == ".eti" and _is_file(path) and path.resolve().is_relative_to(home)
    )


def install(
    root: Path,
    state_dir: Path,
    unpacker: Unpacker,
    cancelled: threading.Event,
    *,
    on_file: Callable[[str, int], None] = lambda relative, size: None,
) -> InstallSummary:
    """Unpack the archives in `root` and replace `local/` with the result; blocks until done.

    The root's name is the game's id. Raises InstallError with `local/` unchanged:
    `no-archives`, `cancelled`, `unpacker-failed` or whatever `Extraction.feed` raises.
    """
    try:
        archives = archives_of(root)
    except OSError as error:
        raise _cannot("read the folder", root, error) from error
    if not archives:
        raise InstallError("no-archives", f"{root.name} has no .eti archive to install from.")
    staging = prepare_staging(root)
    try:
        with Extraction(staging, on_file=on_file) as extraction:
            summary = unpack_archives(archives, unpacker, extraction, cancelled)
        if cancelled.is_set():
            raise InstallCancelled
        commit_staging(root, state_dir)
    finally:
        discard_staging(root)
    return summary


def uninstall(root: Path) -> None:
    """Remove `local/`. Raises InstallError: `not-installed`, or `write-failed` with it intact."""
    recover_game(root)
    try:
        if not (root / LOCAL).is_dir():
            raise InstallError("not-installed", f"{root.name} is not installed.")
        (root / LOCAL).rename(root / STAGING)
    except OSError as error:
        raise _cannot("remove", root / LOCAL, error) from error
    _make_durable(root)
    discard_staging(root)


def prepare_staging(root: Path) -> Path:
    """Delete what an earlier attempt left and return a new, empty staging folder.

    Raises InstallError (`write-failed`).
    """
    recover_game(root)
    staging = root / STAGING
    try:
        staging.mkdir()
    except OSError as error:
        raise _cannot("make the folder", staging, error) from error
    return staging


def commit_staging(root: Path, state_dir: Path) -> None:
    """Replace the game's `local/` with the complete staging folder.

    Raises InstallError (`write-failed`) after it has restored the older `local/`.
    """
    try:
        # Clear the marker before the rename: a crash in between may make `play` stamp an older
        # install twice, but must not leave a new one unstamped.
        clear_marker(state_dir, root.name)
        if os.path.lexists(root / LOCAL):
            (root / LOCAL).rename(root / BACKUP)
        (root / STAGING).rename(root / LOCAL)
    except OSError as error:
        with suppress(InstallError):  # otherwise the next start tries again
            recover_game(root)
        raise _cannot("put in place", root / LOCAL, error) from error
    _make_durable(root)
    with suppress(InstallError):
        recover_game(root)


def discard_staging(root: Path) -> None:
    """Delete the staging folder, if any; what cannot be deleted now, the next start deletes."""
    with suppress(OSError):
        delete_tree(root / STAGING)


def recover_game(root: Path) -> bool:
    """Recover a root after a crash at any step; return whether there was anything to do.

    Is idempotent and may crash itself. Raises InstallError (`write-failed`) when it cannot.
    """
    local, staging, backup = root / LOCAL, root / STAGING, root / BACKUP
    left = [path for path in (staging, backup) if os.path.lexists(path)]
    try:
        if staging in left:
            delete_tree(staging)
        if backup in left:
            # Without `local`, the crash came before the commit point: roll back. With it, the
            # backup is scrap.
            backup.rename(staging if os.path.lexists(local) else local)
            sync_folder(root)
            delete_tree(staging)
    except OSError as error:
        raise _cannot("clean up", root, error) from error
    return bool(left)


def recover(games_dir: Path) -> list[str]:
    """Recover all games when the peer starts; return a sentence for each failure."""
    try:
        roots = sorted(games_dir.iterdir())
    except OSError as error:
        return [str(_cannot("look into", games_dir, error))]
    problems = []
    for root in roots:
        # Path.is_dir raises in Python 3.11 where this returns False. The library reports such
        # roots.
        if os.path.isdir(root):  # noqa: PTH112
            try:
                recover_game(root)
            except InstallError as error:
                problems.append(f"{root.name}: {error}")
    return problems


def _is_file(path: Path) -> bool:
    """Like Path.is_file, but raises every error except absence (there, Pythons differ)."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _make_durable(root: Path) -> None:
    """Make a rename survive a power cut, if the disk can.

    If it cannot, the rename has still happened, so this does not fail. After a power cut either
    name may be there then, each with something whole.
    """
    with suppress(OSError):
        sync_folder(root)


def _cannot(what: str, path: Path, error: OSError) -> InstallError:
    return InstallError(
        "write-failed",
        f"Cannot {what} {path.name}: {error.strerror or error}. "
        "Check the space and the rights in the games folder, then try again.",
    )
