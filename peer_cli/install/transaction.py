"""Installs and uninstalls a game so that `local/` is always whole: the new one, the old or none.

Three names in a game's root carry all state, and no journal is needed, because each of them has
one meaning whenever a crash may come:

    local               an installed game, always whole
    .local.backup       the previous `local`, always whole; only there while it is replaced
    .local.installing   scrap: an install that is not complete, or what is to be deleted

Whatever is deleted is renamed to `.local.installing` first, so a half-deleted folder never bears
one of the other names. Renaming staging to `local` is the one moment at which an install happens;
before it everything is undone, after it only scrap is left. The names are made durable with one
fsync of the root. File data is left to the system, as every unpacking program does: a crash of the
peer loses none of it; after a power cut, install again.
"""

import os
import select
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from peer_cli.install.errors import InstallCancelled, InstallError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.launch_settings import clear_marker
from peer_cli.install.read_ahead import read_ahead
from peer_cli.install.unpacker import Unpacker, stop

LOCAL = "local"
STAGING = ".local.installing"
BACKUP = ".local.backup"

_CANCEL_CHECK_MS = 100


def archives_of(root: Path) -> list[Path]:
    """Return the game's archives (`*.eti`, whatever the case) in the order of their names.

    Links that leave the root are left out. Raises OSError when the root cannot be read.
    """
    home = root.resolve()
    return sorted(
        path
        for path in root.iterdir()
        if path.suffix.lower() == ".eti" and path.is_file() and path.resolve().is_relative_to(home)
    )


def install(
    root: Path,
    state_dir: Path,
    unpacker: Unpacker,
    cancelled: threading.Event,
    *,
    on_file: Callable[[str, int], None] = lambda relative, size: None,
) -> InstallSummary:
    """Unpack the archives in `root` and replace `local/` by the result; blocks until it is done.

    The root's name is the game's id. Raises InstallError, after which `local/` is as it was:
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
            summary = _unpack(archives, unpacker, extraction, cancelled)
        if cancelled.is_set():
            raise InstallCancelled
        commit_staging(root, state_dir)
    finally:
        discard_staging(root)
    return summary


def uninstall(root: Path) -> None:
    """Remove `local/`. Raises InstallError: `not-installed`, or `write-failed` with it intact."""
    recover_game(root)
    if not (root / LOCAL).is_dir():
        raise InstallError("not-installed", f"{root.name} is not installed.")
    try:
        (root / LOCAL).rename(root / STAGING)
        _sync_folder(root)
    except OSError as error:
        raise _cannot("remove", root / LOCAL, error) from error
    discard_staging(root)


def prepare_staging(root: Path) -> Path:
    """Clear what an earlier attempt left and return a new, empty staging folder.

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
    """Make the complete staging folder the game's `local/`, in place of an older one.

    Raises InstallError (`write-failed`), after which the older one is back.
    """
    try:
        # Before, not after: a crash between the two may cost the mark of an older install, so
        # that the next `play` stamps it again, but must not leave a new one unstamped.
        clear_marker(state_dir, root.name)
        if os.path.lexists(root / LOCAL):
            (root / LOCAL).rename(root / BACKUP)
        (root / STAGING).rename(root / LOCAL)
        _sync_folder(root)
    except OSError as error:
        with suppress(InstallError):  # otherwise the next start tries again
            recover_game(root)
        raise _cannot("put in place", root / LOCAL, error) from error
    with suppress(InstallError):
        recover_game(root)


def discard_staging(root: Path) -> None:
    """Delete the staging folder, if there is one; what cannot go now goes at the next start."""
    with suppress(OSError):
        _delete(root / STAGING)


def recover_game(root: Path) -> bool:
    """Bring a root to rest after a crash at any step; return whether there was anything to do.

    May be repeated, and crash itself. Raises InstallError (`write-failed`) when it cannot.
    """
    local, staging, backup = root / LOCAL, root / STAGING, root / BACKUP
    left = [path for path in (staging, backup) if os.path.lexists(path)]
    try:
        if staging in left:
            _delete(staging)
        if backup in left:
            # Without `local`, the crash came before the new one was in place: undo. With it, the
            # backup is scrap.
            backup.rename(staging if os.path.lexists(local) else local)
            _sync_folder(root)
            _delete(staging)
    except OSError as error:
        raise _cannot("clean up", root, error) from error
    return bool(left)


def recover(games_dir: Path) -> list[str]:
    """Bring all games to rest at the peer's start; return a sentence for each that could not be."""
    problems = []
    for root in sorted(games_dir.iterdir()):
        if root.is_dir():
            try:
                recover_game(root)
            except InstallError as error:
                problems.append(error.reason)
    return problems


def _unpack(
    archives: Sequence[Path],
    unpacker: Unpacker,
    extraction: Extraction,
    cancelled: threading.Event,
) -> InstallSummary:
    try:
        helper = unpacker.start(archives)
    except OSError as error:
        raise InstallError(
            "unpacker-failed", f"The unpacking helper cannot be started: {error.strerror}."
        ) from error
    with helper:
        assert helper.stdout is not None
        try:
            pipe = _Pipe(helper.stdout.fileno(), cancelled)
            with closing(read_ahead(pipe.read_into, lambda: stop(helper))) as fragments:
                return extract_stream(fragments, extraction)
        except InstallError as error:
            if error.code != "incomplete-stream":
                raise
            raise InstallError(
                "unpacker-failed",
                f"The unpacking helper ended too early (exit code {helper.wait()}).",
            ) from error
        finally:
            stop(helper)


class _Pipe:
    """The helper's pipe; notices a cancel also while the helper says nothing."""

    def __init__(self, descriptor: int, cancelled: threading.Event) -> None:
        self._descriptor = descriptor
        self._cancelled = cancelled
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read_into(self, memory: memoryview) -> int:
        while not self._cancelled.is_set():
            if self._poll.poll(_CANCEL_CHECK_MS):
                return os.readv(self._descriptor, [memory])
        raise InstallCancelled


def _delete(path: Path) -> None:
    """Delete a folder, file or link, or nothing if there is nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(what: str, path: Path, error: OSError) -> InstallError:
    return InstallError(
        "write-failed",
        f"Cannot {what} {path.name}: {error.strerror or error}. "
        "Check the space and the rights in the games folder, then try again.",
    )
