"""Writes the files of an entry stream, whatever its source, into a staging folder.

Nothing in the stream is trusted: neither names, sizes nor totals. Every file is checked against its
size and CRC-32 before it is reported.
"""

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isal.isal_zlib import crc32  # ten times as fast as zlib, which was the bottleneck

from peer_cli.install.entries import (
    ArchiveBegin,
    EntryBegin,
    EntryDecoder,
    EntryEnd,
    Event,
    StreamBegin,
    StreamEnd,
    StreamFailure,
    malformed,
)
from peer_cli.install.errors import InstallError, SenderError
from store.names import UnsafeName, check_relative_path

MAX_ENTRIES = 1_000_000
"""The most files and folders that a stream may have; a manifest has the same limit."""
MAX_NAME_BYTES = 32 << 20
"""The most UTF-8 bytes that all names of a stream may have, since they are kept in memory."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class InstallSummary:
    """What a complete stream contained; `total_bytes` is the size of all files together."""

    archives: int
    files: int
    directories: int
    total_bytes: int


@dataclass(slots=True)
class _OpenFile:
    entry: EntryBegin
    descriptor: int
    received: int = 0
    crc32: int = 0


class Extraction:
    """Writes one entry stream to disk: feed it fragments until `summary` is set.

    `staging` must be an empty folder that nothing else uses. `on_file` is called with the relative
    path and the size in bytes of each verified file, and `on_begin` once, with what the archives'
    headers promise. Another thread may read `received_bytes` to show progress. Close it after an
    error too.
    """

    def __init__(
        self,
        staging: Path,
        *,
        on_file: Callable[[str, int], None] = lambda relative, size: None,
        on_begin: Callable[[StreamBegin], None] = lambda begin: None,
    ) -> None:
        self._staging = staging
        self._on_file = on_file
        self._on_begin = on_begin
        self._decoder = EntryDecoder()
        self._begin: StreamBegin | None = None
        self._archives = 0
        self._files = 0
        self._directories = 0
        self._name_bytes = 0
        self._made_directories = {PurePosixPath()}
        self._directory_times: list[tuple[PurePosixPath, int]] = []
        # Inode numbers of the current archive's files: only the file system knows which names it
        # treats as the same.
        self._of_this_archive: set[int] = set()
        self._open: _OpenFile | None = None
        self._open_directory: EntryBegin | None = None
        self.received_bytes = 0
        self.summary: InstallSummary | None = None

    def __enter__(self) -> "Extraction":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that is being written, if any. Leaves the staging folder as it is."""
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def feed(self, fragment: memoryview) -> None:
        """Process the stream's next bytes, any number of them.

        Raises InstallError for anything that is wrong with them, for a failure that the sender
        reports, and (`write-failed`) when this side cannot write.
        """
        for event in self._decoder.feed(fragment):
            if isinstance(event, memoryview):
                self._write(event)
            else:
                self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, StreamFailure):
            raise SenderError(event.code, event.reason)
        inside_entry = self._open is not None or self._open_directory is not None
        match event:
            case StreamBegin() if self._begin is None:
                if event.entries > MAX_ENTRIES:
                    raise malformed(f"it announces more than {MAX_ENTRIES} entries")
                check_space(self._staging, event.total_bytes)
                self._begin = event
                self._on_begin(event)
            case ArchiveBegin() if self._begin is not None and not inside_entry:
                self._archives += 1
                if self._archives > self._begin.archives:
                    raise malformed("it brings more archives than it announced")
                self._of_this_archive.clear()
            case EntryBegin() if self._begin is not None and self._archives and not inside_entry:
                self._check_totals(self._begin, event)
                self._begin_entry(event)
            case EntryEnd() if inside_entry:
                self._end_entry(event)
            case StreamEnd() if self._begin is not None and not inside_entry:
                self._end_stream(self._begin)
            case _:
                raise malformed(f"{type(event).__name__} is out of place")

    def _check_totals(self, begin: StreamBegin, entry: EntryBegin) -> None:
        entries = self._files + self._directories + 1
        if entries > begin.entries or self.received_bytes + entry.size > begin.total_bytes:
            raise malformed("it brings more than it announced")
        self._name_bytes += len(entry.name.encode())
        if self._name_bytes > MAX_NAME_BYTES:
            raise malformed(f"its names have more than {MAX_NAME_BYTES} bytes")

    def _begin_entry(self, entry: EntryBegin) -> None:
        relative = _checked(entry.name)
        try:
            if entry.is_directory:
                self._make_directory(relative)
                self._open_directory = entry
                if entry.mtime_ns > 0:
                    self._directory_times.append((relative, entry.mtime_ns))
            else:
                self._make_directory(relative.parent)
                self._open = _OpenFile(entry, self._create(relative))
                if entry.copy_of:
                    self._copy(self._open)
        except (FileExistsError, NotADirectoryError):
            # Ask the file system, so that names which only it treats as the same are found too.
            raise InstallError(
                "duplicate-name", f"The archives hold {entry.name!r} more than once."
            ) from None
        except OSError as error:
            raise _write_failed(entry.name, error.strerror or str(error)) from error

    def _create(self, relative: PurePosixPath) -> int:
        """Create and open a file, replacing one that an earlier archive brought."""
        path = self._staging / relative
        try:
            descriptor = os.open(path, _CREATE, 0o666)
        except FileExistsError:
            there = path.lstat()
            if not stat.S_ISREG(there.st_mode) or there.st_ino in self._of_this_archive:
                raise
            path.unlink()
            descriptor = os.open(path, _CREATE, 0o666)
        self._of_this_archive.add(os.fstat(descriptor).st_ino)
        return descriptor

    def _copy(self, file: _OpenFile) -> None:
        """Copy the content of the original, an earlier file of the same archive."""
        entry = file.entry
        missing = InstallError(
            "entry-is-link",
            f"The archive holds {entry.name!r} as a reference to {entry.copy_of!r}, "
            "which is not an earlier file of the same archive.",
        )
        try:
            original = os.open(self._staging / _checked(entry.copy_of), _READ)
        except (FileNotFoundError, NotADirectoryError):
            raise missing from None
        try:
            there, own = os.fstat(original), os.fstat(file.descriptor)
            known = stat.S_ISREG(there.st_mode) and there.st_ino in self._of_this_archive
            if not known or there.st_ino == own.st_ino:
                raise missing
            if there.st_size != entry.size:
                raise _size_mismatch(entry, f"is a copy of {there.st_size} bytes")
            while data := os.read(original, _COPY_BYTES):
                file.received += len(data)
                self.received_bytes += len(data)
                left = memoryview(data)
                while left:
                    left = left[os.write(file.descriptor, left) :]
        finally:
            os.close(original)

    def _make_directory(self, relative: PurePosixPath) -> None:
        if relative not in self._made_directories:
            (self._staging / relative).mkdir(parents=True, exist_ok=True)
            self._made_directories.add(relative)

    def _write(self, data: memoryview) -> None:
        file = self._open
        if file is None or file.entry.copy_of:
            raise malformed("data is out of place")
        file.received += len(data)
        if file.received > file.entry.size:
            raise _size_mismatch(file.entry, f"yields {file.received} bytes or more")
        file.crc32 = crc32(data, file.crc32)
        self.received_bytes += len(data)
        try:
            while data:
                data = data[os.write(file.descriptor, data) :]
        except OSError as error:
            raise _write_failed(file.entry.name, error.strerror or str(error)) from error

    def _end_entry(self, end: EntryEnd) -> None:
        if self._open_directory is not None:
            self._open_directory = None
            self._directories += 1
            return
        file = self._open
        assert file is not None
        entry = file.entry
        if not file.received == entry.size == end.size:
            raise _size_mismatch(entry, f"yields {file.received} bytes")
        if file.crc32 != end.crc32:
            raise InstallError(
                "crc-mismatch",
                f"The file {entry.name!r} arrived damaged: its CRC-32 does not match.",
            )
        try:
            if entry.is_executable:
                # Executable by everyone who may read it, as under a umask.
                mode = stat.S_IMODE(os.fstat(file.descriptor).st_mode)
                os.fchmod(file.descriptor, mode | (mode & 0o444) >> 2)
            if entry.mtime_ns > 0:
                os.utime(file.descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            self._open = None
            os.close(file.descriptor)
        except OSError as error:
            raise _write_failed(entry.name, error.strerror or str(error)) from error
        self._files += 1
        self._on_file(entry.name, entry.size)

    def _end_stream(self, begin: StreamBegin) -> None:
        got = (self._archives, self._files + self._directories, self.received_bytes)
        if got != begin:
            raise malformed(f"it brought {got} archives, entries and bytes, not {tuple(begin)}")
        try:
            # Last, because writing into a folder changes its modification time.
            for relative, mtime_ns in self._directory_times:
                os.utime(self._staging / relative, ns=(mtime_ns, mtime_ns))
        except OSError as error:
            raise _write_failed("a folder", error.strerror or str(error)) from error
        self.summary = InstallSummary(
            self._archives, self._files, self._directories, self.received_bytes
        )


def extract_stream(fragments: Iterable[memoryview], extraction: Extraction) -> InstallSummary:
    """Extract a whole entry stream and return its summary.

    Raises InstallError like `Extraction.feed`, and `incomplete-stream` when the fragments end
    before the stream does.
    """
    for fragment in fragments:
        extraction.feed(fragment)
        if extraction.summary is not None:
            return extraction.summary
    raise InstallError(
        "incomplete-stream", "The unpacked files stopped coming before they were complete."
    )


def check_space(folder: Path, needed: int) -> None:
    """Raise InstallError (`write-failed`) early if `needed` bytes do not fit on the disk."""
    try:
        system = os.statvfs(folder)
    except OSError as error:
        raise _write_failed(str(folder), error.strerror or str(error)) from error
    free = system.f_bavail * system.f_frsize
    # Some file systems report no size. There, only writing shows whether the bytes fit.
    if system.f_blocks and needed > free:
        raise InstallError(
            "write-failed",
            f"The installed files need {needed >> 20} MiB, but only {free >> 20} MiB are free. "
            "Free some space and try again.",
        )


def _checked(name: str) -> PurePosixPath:
    try:
        return check_relative_path(name)
    except UnsafeName as error:
        raise InstallError("unsafe-name", f"The archive holds an unsafe name: {error}") from None


def _size_mismatch(entry: EntryBegin, what: str) -> InstallError:
    return InstallError(
        "size-mismatch",
        f"The entry {entry.name!r} {what}, but its header promises {entry.size}.",
    )


def _write_failed(name: str, why: str) -> InstallError:
    return InstallError(
        "write-failed",
        f"Cannot write {name!r}: {why}. Free some space or check the rights "
        "on the games folder, then try again.",
    )
