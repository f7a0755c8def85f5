"""A download on disk: its staged files, how it survives a crash, and how it ends.

Files are fetched into `<root>/.lanspread/new/` and moved into place once every byte is verified
(commit.py), so an older version stays whole until then. The journal in the state directory holds
the manifest and the phase. The staging folder says which journal is its own, so it is found again
when the games folder has been moved or is mounted elsewhere. After a crash while downloading, the
download can resume; after a crash while committing, the next start finishes the commit
(recovery.py).
"""

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.network import wire
from peer_cli.transfer.commit import Commit, check_possible, files_below, is_there, plan_aside
from peer_cli.transfer.manifest import Chunk, Manifest, name_clash
from peer_cli.transfer.verify import matches
from store.deletion import delete_tree
from store.durable import replace_file

STAGING_NAME = ".lanspread"
_NEW, OLD_NAME = "new", "old"
_JOURNAL_NAME = "journal"
_NAME_BYTES = 16
_NAME = re.compile(rb"[0-9a-f]{%d}" % (2 * _NAME_BYTES))
_SYNC_THREADS = 16

# What file systems answer that have no such bit or no such time.
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


class NameClashError(Exception):
    """This disk cannot hold all names of a game unchanged; the message is one clear sentence."""


class UnsettledError(Exception):
    """A commit that can be neither finished nor undone now; both versions are kept."""


class Entry(msgspec.Struct, frozen=True):
    """One download, as the state directory keeps it across a crash.

    `root` is where the game was then. `aside` is set when the commit begins: the paths in the root
    to move aside, `version.ini` first.
    """

    root: str
    game_id: str
    version: str
    made_root: bool
    files: list[wire.File]
    aside: list[str] | None = None

    def staging(self, root: Path, journal: "Journal") -> "Staging":
        """Return the staging area that this entry of a journal describes."""
        manifest = Manifest(self.game_id, self.version, tuple(self.files))
        return Staging(root, manifest, journal, self.made_root)


@dataclass(frozen=True, slots=True)
class Journal:
    """One journal file; every method may raise OSError."""

    path: Path

    def read(self) -> Entry | None:
        """Return the entry; None if there is none, or a damaged one."""
        try:
            return msgspec.msgpack.decode(self.path.read_bytes(), type=Entry)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write(self, entry: Entry) -> None:
        """Replace the entry durably and atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, msgspec.msgpack.encode(entry), self._aside, durable=True)

    def delete(self) -> None:
        """Forget the download."""
        self.path.unlink(missing_ok=True)
        self._aside.unlink(missing_ok=True)

    @property
    def _aside(self) -> Path:
        return self.path.with_suffix(".new")


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
                earlier.staging(self.root, self.journal).settle()
            earlier = self.journal.read()
        if is_there(self.old):
            raise UnsettledError(unknown_update(self.root))
        left = None if earlier is None else earlier.staging(self.root, self.journal)
        if left is None or left.manifest.digest() != self.manifest.digest():
            delete_tree(self.folder)
        self._write_journal()
        self.new.mkdir(parents=True, exist_ok=True)
        name = self.folder / _JOURNAL_NAME
        if not is_there(name):
            aside = self.folder / f"{_JOURNAL_NAME}.new"
            replace_file(name, self.journal.path.stem.encode(), aside, durable=True)
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
        return self.folder / OLD_NAME

    def path(self, relative: str) -> Path:
        """Return the staged path of a file. Its name was checked with the manifest."""
        return self.new / relative

    def held(self, chunks: list[Chunk]) -> dict[int, list[tuple[int, int]]]:
        """Hash what is already staged; return the verified (offset, length) per chunk index.

        No record of an earlier run is trusted: hashing is faster than the network.
        """
        held: dict[int, list[tuple[int, int]]] = {}
        if not any(self.new.iterdir()):
            return held
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
        made: set[str] = set()
        for file in self.manifest.files:
            path = f"{self.new}/{file.path}"
            folder = path.rpartition("/")[0]
            try:
                if folder not in made:
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    made.add(folder)
                staged = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                # One is a file and the other a folder; a manifest has no such pair of equal names.
                break
            try:
                os.ftruncate(staged, file.size)
            finally:
                os.close(staged)
        wanted = [file.path for file in self.manifest.files]
        clash = name_clash(wanted, set(files_below(self.new)))
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
        files = self.manifest.files
        size = max(1, len(files) // (4 * _SYNC_THREADS))
        shares = [files[start : start + size] for start in range(0, len(files), size)]
        with ThreadPoolExecutor(_SYNC_THREADS) as pool:
            list(pool.map(self._complete, shares))
        self._write_journal(aside)
        self._carry_out(aside)

    def settle(self) -> None:
        """Finish an interrupted commit, if any, or undo it. Raises like `commit`."""
        entry = self.journal.read()
        if entry is not None and entry.aside is not None:
            # Only files at that place were verified. If this is another, it may be an early copy.
            self._carry_out(entry.aside, unchecked=entry.root != str(self.root))

    def roll_back(self) -> None:
        """Delete everything that the download created; keep what was in the root before.

        Raises OSError when something cannot be deleted. May be called again.
        """
        delete_tree(self.folder)
        if self.made_root:
            with contextlib.suppress(OSError):  # not empty, so it is in use by now
                self.root.rmdir()
        self.journal.delete()

    def _complete(self, files: Sequence[wire.File]) -> None:
        for file in files:
            _complete(f"{self.new}/{file.path}", file)

    def _carry_out(self, aside: list[str], *, unchecked: bool = False) -> None:
        commit = Commit(self.root, self.new, self.old, self.manifest.files, aside)
        try:
            if unchecked:
                self._check_content()
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
            delete_tree(self.new)
            delete_tree(self.old)  # while the folder still names the journal, which says what it is
            self.journal.delete()
            delete_tree(self.folder)

    def _check_content(self) -> None:
        """Raise OSError unless every file, staged or already in place, has the right content."""
        for file in self.manifest.files:
            staged = self.path(file.path)
            descriptor = os.open(
                staged if is_there(staged) else self.root / file.path, os.O_RDONLY | os.O_NOFOLLOW
            )
            try:
                for number, block in enumerate(file.blocks):
                    offset = number * BLOCK_SIZE
                    length = min(BLOCK_SIZE, file.size - offset)
                    if not matches(descriptor, offset, length, block):
                        raise OSError(errno.EIO, "it has other content than was verified", staged)
            finally:
                os.close(descriptor)

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


def journal_of(state_dir: Path, root: Path) -> Journal | None:
    """Return the journal of the download that is staged in this root.

    None if nothing is staged there, or if the staging folder does not say. Raises OSError.
    """
    try:
        with (root / STAGING_NAME / _JOURNAL_NAME).open("rb") as file:
            name = file.read(_NAME_BYTES * 2 + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _journal(state_dir, name.decode()) if _NAME.fullmatch(name) else None


def staging_of(games_dir: Path, state_dir: Path, manifest: Manifest) -> Staging:
    """Return the staging area of a download. Raises OSError."""
    root = games_dir / manifest.game_id
    journal = journal_of(state_dir, root)
    if journal is None:
        journal = _journal(state_dir, secrets.token_hex(_NAME_BYTES))
    earlier = journal.read()
    made_root = earlier.made_root if earlier is not None else not root.exists()
    return Staging(root, manifest, journal, made_root)


def _journal(state_dir: Path, name: str) -> Journal:
    return Journal(state_dir / "downloads" / f"{name}.journal")


def unknown_update(root: Path) -> str:
    """Say that a root holds two versions of a game, and no journal tells which is whole."""
    return (
        f"{root / STAGING_NAME} holds files of two versions of {root.name}, from an update that "
        "this state folder knows nothing of: start the peer with the state folder of that update, "
        f"or move {OLD_NAME}/ back by hand, or delete both."
    )


def _complete(path: str, file: wire.File) -> None:
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
