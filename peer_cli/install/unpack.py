"""The unpacking helper, a separate process: reads archives, writes one entry stream to stdout.

    python -m peer_cli.install.unpack [--fixture | --unrar FILE] [--dictionary-limit BYTES]
        [--give-way] RAR...

It is a process because it runs C++ code on hostile archives, and because a kill cancels it. It
unpacks each archive in one pass and needs the archive's dictionary and a few MiB of memory. A
failure becomes the last frame of the stream. When the reader goes away, the next write fails and
the helper ends. It starts for every install, so it imports little.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from peer_cli.install.entries import EntryBegin
from peer_cli.install.entry_writer import EntryWriter
from peer_cli.install.errors import InstallError
from peer_cli.install.links import check_copy, link_error
from peer_cli.install.rar_headers import EXECUTABLE, REPLACED, Survey, survey_archive
from peer_cli.install.sandbox import address_space, confine, limit_resources

DEFAULT_DICTIONARY_LIMIT = 1 << 30
NICENESS = 10  # a tenth of the CPU time of a normal process, when the CPU is busy
FIXTURE_NAME = "fixture-payload.txt"

_COPY_BYTES = 1 << 20
# From unrar's dll.hpp; the binding does not export these.
_END_OF_ARCHIVE = 10
_SPLIT, _ENCRYPTED, _DIRECTORY = 0x03, 0x04, 0x20
_HASH_CRC32 = 1
_PATH_CHARACTERS = 5000  # more than the entry stream can carry, so no name is cut silently
_COPIES = (4, 5)  # hard link, file reference
_CAUSES = {
    11: ("archive-unsupported", "needs more memory than there is"),
    10: ("archive-corrupt", "ends before all of its entries"),
    12: ("archive-corrupt", "is damaged: a checksum does not match"),
    13: ("archive-corrupt", "is damaged"),
    14: ("archive-unsupported", "was packed by an unknown method"),
    15: ("read-failed", "cannot be opened"),
    18: ("read-failed", "cannot be read"),
    22: ("archive-encrypted", "is encrypted"),
    24: ("archive-encrypted", "is encrypted"),
    25: ("dictionary-too-large", "needs too large a dictionary"),
}


def main(arguments: list[str]) -> int:
    """Unpack as the arguments say; return the exit code (the stream tells the reason)."""
    # Keep anything that a library prints out of the stream.
    stream = os.dup(1)
    os.dup2(2, 1)
    writer = EntryWriter(stream)
    unrar: str | None = None
    fixture = False
    dictionary_limit = DEFAULT_DICTIONARY_LIMIT
    while arguments and arguments[0].startswith("--"):
        option = arguments.pop(0)
        if option == "--unrar":
            unrar = arguments.pop(0)
        elif option == "--give-way":
            os.nice(NICENESS)
        elif option == "--fixture":
            fixture = True
        elif option == "--dictionary-limit":
            dictionary_limit = int(arguments.pop(0))
        else:
            print(f"The unpacking helper has no option {option}.", file=sys.stderr)
            return 2
    archives = [Path(name) for name in arguments]
    try:
        if fixture:
            _send_fixture(writer, archives)
        else:
            _send_archives(writer, archives, dictionary_limit, unrar)
        writer.end()
        os.close(stream)  # the reader need not wait until this process has ended
    except InstallError as error:
        return _fail(writer, error)
    except (BrokenPipeError, ConnectionResetError):
        return 1  # the reader is gone, so there is nobody to tell
    except OSError as error:
        what = error.strerror or str(error)
        return _fail(writer, InstallError("read-failed", f"The archives cannot be read: {what}."))
    return 0


def _fail(writer: EntryWriter, error: InstallError) -> int:
    with suppress(BrokenPipeError, ConnectionResetError):
        writer.failure(error)
    return 1


def _send_fixture(writer: EntryWriter, archives: list[Path]) -> None:
    """Send the bytes of all archives as one file, for tests without archive tools."""
    total = sum(path.stat().st_size for path in archives)
    writer.begin(1, 1, total)
    writer.archive(archives[0])
    writer.entry(EntryBegin(FIXTURE_NAME, is_directory=False, size=total, mtime_ns=0))
    buffer = memoryview(bytearray(_COPY_BYTES))
    for path in archives:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                writer.data(buffer[:count])
    writer.entry_end()


def _send_archives(
    writer: EntryWriter, archives: list[Path], dictionary_limit: int, unrar: str | None
) -> None:
    unpack = _with_library() if unrar is None else _with_tool(unrar)
    in_use = address_space()
    names = [str(path) for path in archives]
    confine(names, writer.descriptor, runs_program=unrar is not None)
    surveys = [survey_archive(path, dictionary_limit) for path in archives]
    total_bytes = sum(survey.total_bytes for survey in surveys)
    limit_resources(
        in_use,
        max((survey.dictionary for survey in surveys), default=0),
        total_bytes + sum(path.stat().st_size for path in archives),
    )
    writer.begin(len(surveys), sum(survey.entries for survey in surveys), total_bytes)
    for path, survey in zip(archives, surveys, strict=True):
        writer.archive(path)
        unpack(writer, path, survey)


_Unpack = Callable[[EntryWriter, Path, Survey], None]


def _with_tool(unrar: str) -> _Unpack:
    from peer_cli.install.unrar_tool import UnrarTool

    return UnrarTool.find(unrar).send_archive


def _with_library() -> _Unpack:
    try:
        from unrar.cffi import unrarlib
    except ImportError as error:
        raise InstallError(
            "unpacker-missing",
            "The library for reading RAR archives (unrar2-cffi) is not installed here; "
            "install it, or name an unrar program with --unrar.",
        ) from error
    del unrarlib  # importing it registers the callback used below
    return _send_archive


class _Receiver:
    """The callback of one archive: takes data, refuses everything else."""

    def __init__(self, writer: EntryWriter) -> None:
        from unrar.cffi._unrarlib import ffi, lib

        self._ffi = ffi
        self._process_data = lib.UCM_PROCESSDATA
        self._writer = writer
        self.error: InstallError | OSError | None = None

    def __call__(self, message: int, first: int, second: int) -> int:
        # The library also asks for passwords, further volumes and huge dictionaries: refuse.
        if message != self._process_data:
            return -1
        try:
            data = self._ffi.buffer(self._ffi.cast("char *", first), second)
            self._writer.data(memoryview(data))
        except (InstallError, OSError) as error:
            # An exception cannot cross the C++ code. Returning -1 ends the entry at once.
            self.error = error
            return -1
        return 1


def _send_archive(writer: EntryWriter, path: Path, survey: Survey) -> None:
    """Send one archive in one pass: stored files as they are, the rest through UnRAR."""
    from unrar.cffi._unrarlib import ffi, lib

    name = ffi.new("wchar_t[]", str(path))
    archive = ffi.new("struct RAROpenArchiveDataEx *")
    archive.ArcNameW, archive.OpenMode = name, lib.C_RAR_OM_EXTRACT
    handle = lib.RAROpenArchiveEx(archive)
    receiver = _Receiver(writer)
    keep_alive = ffi.new_handle(receiver)
    try:
        if archive.OpenResult != lib.C_ERAR_SUCCESS:
            raise _library_error(archive.OpenResult, path)
        lib.RARSetCallbackPtr(handle, lib.PyUNRARCALLBACKStub, keep_alive)
        with path.open("rb") as file:
            _send_entries(handle, writer, receiver, file, survey)
    finally:
        if handle != ffi.NULL:
            lib.RARCloseArchive(handle)


def _send_entries(
    handle: object, writer: EntryWriter, receiver: _Receiver, file: BinaryIO, survey: Survey
) -> None:
    from unrar.cffi._unrarlib import ffi, lib

    path = Path(file.name)
    header = ffi.new("struct RARHeaderDataEx *")
    name, original = (ffi.new("wchar_t[]", _PATH_CHARACTERS) for _ in range(2))
    header.FileNameEx, header.FileNameExSize = name, _PATH_CHARACTERS
    header.RedirName, header.RedirNameSize = original, _PATH_CHARACTERS
    copy_sizes = iter(survey.copy_sizes)
    for stored_at, mtime_ns, kind in zip(survey.stored, survey.mtimes, survey.kinds, strict=True):
        code = lib.RARReadHeaderEx(handle, header)
        if code != lib.C_ERAR_SUCCESS:
            # Includes the end of the archive, which the library reports for some kinds of damage.
            raise _library_error(code, path)
        try:
            entry = _entry_of(header, ffi.string(name), ffi.string(original), path)
        except ValueError as error:
            raise InstallError(
                "unsafe-name", f"The archive {path.name} holds a name that is not Unicode."
            ) from error
        is_sent = kind != REPLACED
        if is_sent:
            entry = entry._replace(mtime_ns=mtime_ns, is_executable=kind == EXECUTABLE)
            if entry.copy_of:
                entry = entry._replace(size=next(copy_sizes, -1))
                check_copy(entry, path)
            has_crc32 = header.HashType == _HASH_CRC32 and not entry.is_directory
            writer.entry(entry, header.FileCRC if has_crc32 else None)
        mode = lib.C_RAR_TEST
        if not is_sent:
            mode = lib.C_RAR_SKIP
        elif stored_at >= 0 and has_crc32:
            writer.stored_data(file.fileno(), stored_at)
            mode = lib.C_RAR_SKIP
        result = lib.RARProcessFileW(handle, mode, ffi.NULL, ffi.NULL)
        if receiver.error is not None:
            raise receiver.error
        if result != lib.C_ERAR_SUCCESS:
            raise _library_error(result, path, entry.name)
        if is_sent:
            writer.entry_end()
    code = lib.RARReadHeaderEx(handle, header)
    if code != _END_OF_ARCHIVE:
        raise _library_error(code, path)


# The header is a C struct, which has no static type.
def _entry_of(header: Any, name: str, original: str, path: Path) -> EntryBegin:
    flags = header.Flags
    if header.RedirType and header.RedirType not in _COPIES:
        raise link_error(name, path)
    if flags & _ENCRYPTED:
        raise _library_error(22, path, name)
    if flags & _SPLIT:
        raise InstallError(
            "archive-multi-volume",
            f"The archive {path.name} is one of several volumes. Pack it as one file.",
        )
    is_directory = bool(flags & _DIRECTORY)
    return EntryBegin(
        name.rstrip("/") if is_directory else name,
        is_directory,
        0 if is_directory else header.UnpSizeHigh << 32 | header.UnpSize,
        mtime_ns=0,
        copy_of=original if header.RedirType else "",
    )


def _library_error(code: int, path: Path, entry: str | None = None) -> InstallError:
    kind, what = _CAUSES.get(code, ("archive-corrupt", f"cannot be unpacked (UnRAR error {code})"))
    place = f"The archive {path.name}" if entry is None else f"{entry!r} in {path.name}"
    return InstallError(kind, f"{place} {what}.")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # skips the interpreter's 6 ms of teardown, which has nothing to do
