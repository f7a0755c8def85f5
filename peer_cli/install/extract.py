"""Writes an entry stream, wherever it comes from, as files below a staging folder.

Nothing in the stream is trusted: not names, sizes or totals. Every file is checked against its
size and CRC-32 before it is reported.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isal.isal_zlib import crc32  # ten times as fast as zlib's, which was the bottleneck

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
from peer_cli.names import UnsafeName, check_relative_path

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class InstallSummary:
    """What a complete stream brought; `total_bytes` is the size of all files together."""

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
    """One entry stream on its way to disk: feed it fragments until `summary` is there.

    `staging` must be an empty folder that belongs to this extraction alone. `on_file` is called
    with the relative path and the size in bytes after a file was verified, and `on_begin` once,
    with what the archives' headers promise. `received_bytes` may be read by another thread to
    show progress. Close it, also after an error.
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
        self._made_directories = {PurePosixPath()}
        self._open: _OpenFile | None = None
        self._open_directory: EntryBegin | None = None
        self.received_bytes = 0
        self.summary: InstallSummary | None = None

    def __enter__(self) -> "Extraction":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that is being written, if any. What is in staging stays there."""
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def feed(self, fragment: memoryview) -> None:
        """Take the stream's next bytes, any number of them.

        Raises InstallError for everything that is wrong with them, among it the failure that the
        sender reports, and `write-failed` where this side cannot write.
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
                check_space(self._staging, event.total_bytes)
                self._begin = event
                self._on_begin(event)
            case ArchiveBegin() if self._begin is not None and not inside_entry:
                self._archives += 1
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

    def _begin_entry(self, entry: EntryBegin) -> None:
        try:
            relative = check_relative_path(entry.name)
        except UnsafeName as error:
            raise InstallError(
                "unsafe-name", f"The archive holds an unsafe name: {error}"
            ) from None
        try:
            if entry.is_directory:
                self._make_directory(relative)
                self._open_directory = entry
            else:
                self._make_directory(relative.parent)
                descriptor = os.open(self._staging / relative, _CREATE, 0o666)
                self._open = _OpenFile(entry, descriptor)
        except (FileExistsError, NotADirectoryError):
            # The file system judges, so that names which only it takes for the same count too.
            raise InstallError(
                "duplicate-name", f"The archives hold {entry.name!r} more than once."
            ) from None
        except OSError as error:
            raise _write_failed(entry.name, error.strerror or str(error)) from error

    def _make_directory(self, relative: PurePosixPath) -> None:
        if relative not in self._made_directories:
            (self._staging / relative).mkdir(parents=True, exist_ok=True)
            self._made_directories.add(relative)

    def _write(self, data: memoryview) -> None:
        file = self._open
        if file is None:
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
        self.summary = InstallSummary(
            self._archives, self._files, self._directories, self.received_bytes
        )


def extract_stream(fragments: Iterable[memoryview], extraction: Extraction) -> InstallSummary:
    """Take a whole entry stream and return what it brought.

    Raises InstallError as `Extraction.feed`, and `incomplete-stream` when the fragments end before
    the stream does.
    """
    for fragment in fragments:
        extraction.feed(fragment)
        if extraction.summary is not None:
            return extraction.summary
    raise InstallError(
        "incomplete-stream", "The unpacked files stopped coming before they were complete."
    )


def check_space(folder: Path, needed: int) -> None:
    """Raise InstallError (`write-failed`) where `needed` bytes cannot fit: now, not in an hour."""
    try:
        system = os.statvfs(folder)
    except OSError as error:
        raise _write_failed(str(folder), error.strerror or str(error)) from error
    free = system.f_bavail * system.f_frsize
    # A file system that does not tell its size is taken at its word only when it is written to.
    if system.f_blocks and needed > free:
        raise InstallError(
            "write-failed",
            f"The installed files need {needed >> 20} MiB, but only {free >> 20} MiB are free. "
            "Free some space and try again.",
        )


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
