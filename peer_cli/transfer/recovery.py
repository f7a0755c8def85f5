"""What interrupted downloads left on the disk: found again, finished, or deleted."""

import os
from collections.abc import Callable
from pathlib import Path

from peer_cli.transfer.commit import is_there
from peer_cli.transfer.staging import (
    OLD_NAME,
    STAGING_NAME,
    Journal,
    Staging,
    UnsettledError,
    journal_of,
    unknown_update,
)
from store.deletion import delete_tree


def interrupted(games_dir: Path, state_dir: Path, game_id: str) -> Staging | None:
    """Return the staging area of the game's interrupted download, if any. Raises OSError."""
    root = games_dir / game_id
    journal = journal_of(state_dir, root)
    entry = journal.read() if journal is not None else None
    return None if journal is None or entry is None else entry.staging(root, journal)


def recover(games_dir: Path, state_dir: Path, report: Callable[[str], None]) -> None:
    """At start: finish commits that a crash interrupted, and delete unknown staging.

    A download that was interrupted before its commit stays staged, so that the next download of the
    game resumes it. What cannot be done now is reported, and retried at the next start.
    """
    try:
        unused = _journals(state_dir)
    except OSError as error:
        report(f"Interrupted downloads stay as they are: {error}.")
        return  # delete nothing either: an unreadable journal might know it
    for root in _roots(games_dir, report):
        if not os.path.lexists(root / STAGING_NAME):
            continue  # or it cannot be read: the library reports such a root
        try:
            journal = journal_of(state_dir, root)
            if journal is not None:
                unused.discard(journal)
            _recover_one(root, journal, report)
        except UnsettledError as error:
            report(str(error))
        except OSError as error:
            report(f"An interrupted download cannot be finished: {error}.")
    for journal in sorted(unused, key=lambda one: one.path):
        try:
            _forget(journal, games_dir, report)
        except OSError as error:
            report(f"A download journal stays as it is: {error}.")


def _recover_one(root: Path, journal: Journal | None, report: Callable[[str], None]) -> None:
    """Finish a root's interrupted commit, or delete staging that no journal knows."""
    entry = journal.read() if journal is not None else None
    if journal is not None and entry is not None:
        entry.staging(root, journal).settle()
        return
    if journal is not None:
        _drop_damaged(journal, report)
    try:
        if is_there(root / STAGING_NAME / OLD_NAME):  # perhaps the only copy of a version
            report(unknown_update(root))
        else:
            delete_tree(root / STAGING_NAME)
    except OSError as error:
        report(f"What a download left in {root} cannot be deleted: {error}.")


def _forget(journal: Journal, games_dir: Path, report: Callable[[str], None]) -> None:
    """Delete a journal of this library whose staging is gone, and the root made for it.

    A commit's is kept: its library may be on another disk, and this one mounted in its place.
    """
    entry = journal.read()
    if entry is None:
        _drop_damaged(journal, report)
        return
    library, name = os.path.split(entry.root)
    root = games_dir / name
    is_of_this = os.path.realpath(library) == os.path.realpath(games_dir)
    if is_of_this and entry.aside is None and not is_there(root / STAGING_NAME):
        entry.staging(root, journal).roll_back()


def _drop_damaged(journal: Journal, report: Callable[[str], None]) -> None:
    if is_there(journal.path):
        report(f"The download journal {journal.path} is damaged; that download starts over.")
    journal.delete()


def _journals(state_dir: Path) -> set[Journal]:
    """Return all journals, also those of which only an unfinished file is there. Raises OSError."""
    try:
        paths = list((state_dir / "downloads").iterdir())
    except FileNotFoundError:
        return set()
    return {Journal(path.with_suffix(".journal")) for path in paths}


def _roots(games_dir: Path, report: Callable[[str], None]) -> list[Path]:
    try:
        return sorted(games_dir.iterdir())
    except OSError as error:
        report(f"The games folder {games_dir} cannot be read: {error.strerror}.")
        return []
