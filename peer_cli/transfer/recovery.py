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
    of_entry,
    unknown_update,
)
from store.deletion import delete_tree


def interrupted(games_dir: Path, state_dir: Path, game_id: str) -> Staging | None:
    """Return the staging area of the game's interrupted download, if any. Raises OSError."""
    journal = journal_of(state_dir, games_dir / game_id)
    entry = journal.read()
    return None if entry is None else of_entry(journal, entry)


def recover(games_dir: Path, state_dir: Path, report: Callable[[str], None]) -> None:
    """At start: finish commits that a crash interrupted, and delete unknown staging.

    A download that was interrupted before its commit stays staged, so that the next download of the
    game resumes it. What cannot be done now is reported, and retried at the next start.
    """
    try:
        found = _journals(state_dir)
    except OSError as error:
        report(f"Interrupted downloads stay as they are: {error}.")
        return  # delete nothing either: an unreadable journal might know it
    known: set[str] = set()
    all_read = True
    for journal in found:
        try:
            entry = journal.read()
        except OSError as error:
            report(f"An interrupted download stays as it is: {error}.")
            all_read = False
            continue
        try:
            if entry is None:
                report(
                    f"The download journal {journal.path} is damaged; that download starts over."
                )
                journal.delete()
            elif os.path.realpath(Path(entry.root).parent) == os.path.realpath(games_dir):
                known.add(Path(entry.root).name)  # others belong to another library
                of_entry(journal, entry).settle()
        except UnsettledError as error:
            report(str(error))
        except OSError as error:
            report(f"An interrupted download cannot be finished: {error}.")
    if all_read:
        for root in _roots(games_dir, report):
            if root.name not in known:
                _delete_unknown(root, report)


def _journals(state_dir: Path) -> list[Journal]:
    """Return all journals, in a fixed order. Raises OSError."""
    try:
        paths = sorted((state_dir / "downloads").iterdir())
    except FileNotFoundError:
        return []
    return [Journal(path) for path in paths if path.suffix == ".journal"]


def _roots(games_dir: Path, report: Callable[[str], None]) -> list[Path]:
    try:
        return sorted(games_dir.iterdir())
    except OSError as error:
        report(f"The games folder {games_dir} cannot be read: {error.strerror}.")
        return []


def _delete_unknown(root: Path, report: Callable[[str], None]) -> None:
    """Delete staging that no journal knows, unless it may hold the only copy of a version."""
    if not os.path.lexists(root / STAGING_NAME):
        return  # unreadable, too: the library reports such a root
    try:
        if is_there(root / STAGING_NAME / OLD_NAME):
            report(unknown_update(root))
        else:
            delete_tree(root / STAGING_NAME)
    except OSError as error:
        report(f"What a download left in {root} cannot be deleted: {error}.")
