"""A download on disk: its staged files, how it survives a crash, and how it ends.

Files are fetched into `<root>/.lanspread/new/` and moved into place once every byte is verified
(commit.py), so an older version stays whole until then. The journal in the state directory holds
the manifest and the phase. After a crash while downloading, the download can resume; after a crash
while committing, the next start finishes the commit.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.library.scan import look_through, summary
from peer_cli.network import wire
from peer_cli.transfer.commit import Commit, check_possible, is_there, plan_aside
from peer_cli.transfer.journal import Entry, Journal, journal_of, journals
from peer_cli.transfer.manifest import Chunk, Manifest, name_clash
from peer_cli.transfer.verify import matches
from store.deletion import delete_tree

STAGING_NAME = ".lanspread"
_NEW, _OLD = "new", "old"
_SYNC_THREADS = 16

# What file systems answer that have no such bit or no such time.
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


class NameClashError(Exception):
    """This disk cannot hold all names of a game unchanged; the message is one clear sentence."""


class UnsettledError(Exception):
    """A commit that can be neither finished nor undone now; both versions are kept."""


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging area of one download. All methods block, and raise OSError for disk trouble."""

    root: Path
    manifest: Manifest
    journal: Journal
    made_root: bool

    def open(self) -> None:
        """Prepare the folder, keeping what an interrupted download of the same manifest left.

        Raises OSError when a later commit would be impossible, UnsettledError when an earlier
        commit is still unsettled.
        """
        earlier = self.journal.read()
        if earlier is not None and earlier.aside is not None:
            with contextlib.suppress(OSError):  # rolled back, so this download replaces it
                _of_entry(self.journal, earlier).settle()
            earlier = self.journal.read()
        if is_there(self.old):
            raise UnsettledError(_unknown_update(self.root))
        if earlier is None or earlier.manifest.digest() != self.manifest.digest():
            delete_tree(self.folder)
        self._write_journal()
        self.new.mkdir(parents=True, exist_ok=True)
        wanted = [file.path for file in self.manifest.files]
        check_possible(self.root, plan_aside(self.root, wanted), wanted)

    def lacking_space(self, needed: int) -> int:
        """Return how many bytes the disk lacks for `needed` more; 0 if they fit."""
        disk = os.statvfs(self.folder)
        return max(0, needed - disk.f_bavail * disk.f_frsize)

    @property
    def folder(self) -> Path:
        """The folder of everything that belongs to this download."""
        return self.root / STAGING_NAME

    @property
    def new(self) -> Path:
        """The folder of the staged files."""
        return self.folder / _NEW

    @property
    def old(self) -> Path:
        """The folder of the older version during a commit."""
        return self.folder / _OLD

    def path(self, relative: str) -> Path:
        """Return the staged path of a file. Its name was checked with the manifest."""
        return self.new / relative

    def held(self, chunks: list[Chunk]) -> dict[int, list[tuple[int, int]]]:
        """Hash what is already staged; return the verified (offset, length) per chunk index.

        No record of an earlier run is trusted: hashing is faster than the network.
        """
        held: dict[int, list[tuple[int, int]]] = {}
        for chunk in chunks:
            file = self.manifest.files[chunk.file]
            try:
                staged = os.open(self.path(file.path), os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                for offset in range(chunk.offset, chunk.offset + chunk.length, BLOCK_SIZE):
                    length = min(BLOCK_SIZE, file.size - offset)
                    if matches(staged, offset, length, file.blocks[offset // BLOCK_SIZE]):
                        held.setdefault(chunk.index, []).append((offset, length))
            finally:
                os.close(staged)
        return held

    def create_files(self) -> None:
        """Create all files at full size, so that blocks may arrive in any order.

        Raises NameClashError when this disk treats two names as one, or changes one. The disk's
        type does not tell, so the names are created and read back.
        """
        for file in self.manifest.files:
            path = self.path(file.path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                staged = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                # One is a file and the other a folder; a manifest has no such pair of equal names.
                break
            try:
                os.ftruncate(staged, file.size)
            finally:
                os.close(staged)
        made = look_through(self.new)
        if made.problems:
            raise OSError(summary(made.problems))
        wanted = [file.path for file in self.manifest.files]
        clash = name_clash(wanted, {file.relative_path for file in made.files})
        if clash is not None:
            raise NameClashError(clash)

    def commit(self) -> None:
        """Move everything into place; `version.ini` last.

        Raises OSError when it cannot, after moving the older version back, and UnsettledError when
        that fails too.
        """
        wanted = [file.path for file in self.manifest.files]
        aside = plan_aside(self.root, wanted)
        check_possible(self.root, aside, wanted)
        # In parallel, because the system syncs many files in the time of one.
        with ThreadPoolExecutor(_SYNC_THREADS) as pool:
            for _ in pool.map(
                lambda file: _complete(self.path(file.path), file), self.manifest.files
            ):
                pass
        self._write_journal(aside)
        self._carry_out(aside)

    def settle(self) -> None:
        """Finish an interrupted commit, if any, or undo it. Raises like `commit`."""
        entry = self.journal.read()
        if entry is not None and entry.aside is not None:
            self._carry_out(entry.aside)

    def roll_back(self) -> None:
        """Delete everything that the download created; keep what was in the root before.

        Raises OSError when something cannot be deleted. May be called again.
        """
        delete_tree(self.folder)
        if self.made_root:
            with contextlib.suppress(OSError):  # not empty, so it is in use by now
                self.root.rmdir()
        self.journal.delete()

    def _carry_out(self, aside: list[str]) -> None:
        commit = Commit(self.root, self.new, self.old, self.manifest.files, aside)
        try:
            commit.finish()
        except OSError as error:
            try:
                commit.undo()
                delete_tree(self.old)
                self._write_journal()
            except OSError as second:
                raise UnsettledError(
                    f"The new version of {self.manifest.game_id} cannot be put in place "
                    f"({error}), nor the old one restored ({second}). Both are kept, and the "
                    "next start tries again."
                ) from error
            raise
        with contextlib.suppress(OSError):  # the next start deletes what cannot be deleted now
            delete_tree(self.folder)
            self.journal.delete()

    def _write_journal(self, aside: list[str] | None = None) -> None:
        manifest = self.manifest
        self.journal.write(
            Entry(
                str(self.root),
                manifest.game_id,
                manifest.version,
                self.made_root,
                list(manifest.files),
                aside,
            )
        )


def staging_of(games_dir: Path, state_dir: Path, manifest: Manifest) -> Staging:
    """Return the staging area of a download."""
    root = games_dir / manifest.game_id
    journal = journal_of(state_dir, root)
    earlier = journal.read()
    made_root = earlier.made_root if earlier is not None else not root.exists()
    return Staging(root, manifest, journal, made_root)


def interrupted(games_dir: Path, state_dir: Path, game_id: str) -> Staging | None:
    """Return the staging area of the game's interrupted download, if any. Raises OSError."""
    journal = journal_of(state_dir, games_dir / game_id)
    entry = journal.read()
    return None if entry is None else _of_entry(journal, entry)


def recover(games_dir: Path, state_dir: Path, report: Callable[[str], None]) -> None:
    """At start: finish commits that a crash interrupted, and delete unknown staging.

    A download that was interrupted before its commit stays staged, so that the next download of the
    game resumes it. What cannot be done now is reported, and retried at the next start.
    """
    try:
        found = journals(state_dir)
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
                _of_entry(journal, entry).settle()
        except UnsettledError as error:
            report(str(error))
        except OSError as error:
            report(f"An interrupted download cannot be finished: {error}.")
    if all_read:
        for root in _roots(games_dir, report):
            if root.name not in known:
                _delete_unknown(root, report)


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
        if is_there(root / STAGING_NAME / _OLD):
            report(_unknown_update(root))
        else:
            delete_tree(root / STAGING_NAME)
    except OSError as error:
        report(f"What a download left in {root} cannot be deleted: {error}.")


def _unknown_update(root: Path) -> str:
    return (
        f"{root / STAGING_NAME} holds files of two versions of {root.name}, from an update that "
        "this state folder knows nothing of: start the peer with the state folder of that update, "
        f"or move {_OLD}/ back by hand, or delete both."
    )


def _of_entry(journal: Journal, entry: Entry) -> Staging:
    return Staging(Path(entry.root), entry.manifest, journal, entry.made_root)


def _complete(path: Path, file: wire.File) -> None:
    """Give a staged file the manifest's attributes, and make it durable."""
    staged = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        mode = stat.S_IMODE(os.fstat(staged).st_mode)
        # Executable for everyone who may read it.
        wanted = mode | (mode & 0o444) >> 2 if file.executable else mode & ~0o111
        if wanted != mode:
            with _if_supported():
                os.fchmod(staged, wanted)
        if file.mtime_ns:
            with _if_supported():
                os.utime(staged, ns=(file.mtime_ns, file.mtime_ns))
        os.fsync(staged)
    finally:
        os.close(staged)


@contextlib.contextmanager
def _if_supported() -> Iterator[None]:
    """Ignore that a file system has no such bit or no such time: FAT has neither."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
