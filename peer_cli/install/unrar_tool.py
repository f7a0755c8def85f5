"""Unpacks archives with an external `unrar` program, into the same entry stream.

`unrar lt` lists the entries, and `unrar p` prints all their bytes in the same order: one pass over
the data. Both run side by side, so memory does not grow with the archive.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from peer_cli.install.entries import EntryBegin
from peer_cli.install.entry_writer import EntryWriter
from peer_cli.install.errors import InstallError
from peer_cli.install.links import check_copy, link_error
from peer_cli.install.rar_headers import EXECUTABLE, PLAIN, Survey

_COPY_BYTES = 1 << 20
# No password, no user configuration, no archive comment.
_OPTIONS = ("-p-", "-cfg-", "-c-")
_COPIES = ("Hard link", "File reference")
_INSTALLED = ("File", "Directory", *_COPIES)
_NO_FILES = 10
_EXIT_CODES = {
    3: ("archive-corrupt", "is damaged: a checksum does not match"),
    8: ("archive-unsupported", "needs more memory than there is"),
    10: ("archive-unsupported", "holds nothing that this unrar can read"),
    11: ("archive-encrypted", "is encrypted"),
}


class _Listed(NamedTuple):
    """One entry of a technical listing; `crc32` is None if the archive uses another checksum."""

    name: str
    kind: str
    size: int
    crc32: int | None
    original: str
    is_old_version: bool


@dataclass(frozen=True, slots=True)
class UnrarTool:
    """An external unrar, by the path of its program."""

    program: str

    @staticmethod
    def find(program: str) -> "UnrarTool":
        """Look the program up, by path or by name. Raises InstallError (`unpacker-missing`)."""
        found = shutil.which(program)
        if found is None:
            raise InstallError(
                "unpacker-missing",
                f"The unrar program {program} is not there or cannot be run; correct --unrar.",
            )
        return UnrarTool(found)

    def send_archive(self, writer: EntryWriter, path: Path, survey: Survey) -> None:
        """Send all entries of one archive.

        Raises InstallError with the codes of `rar_headers`, `size-mismatch`, `unpacker-missing`
        or `unpacker-failed`, and OSError when nobody reads the stream any more.
        """
        # By descriptor, because unrar expands `*` and `?` in a name.
        archive = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._start("lt", archive) as listing, self._start("p", archive, "-inul") as data:
                try:
                    count = self._send_entries(writer, path, survey, listing, data)
                finally:
                    # After an error both may still have output to write.
                    listing.kill()
                    data.kill()
        finally:
            os.close(archive)
        if count != len(survey.kinds):
            raise InstallError(
                "archive-corrupt",
                f"The archive {path.name} has {len(survey.kinds)} entries, "
                f"but {count} were listed.",
            )

    def _start(self, command: str, archive: int, *more: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self.program, command, *_OPTIONS, *more, "--", f"/dev/fd/{archive}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(archive,),
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            raise InstallError(
                "unpacker-missing",
                f"The unrar program {self.program} cannot be run: {error.strerror}.",
            ) from error

    def _send_entries(
        self,
        writer: EntryWriter,
        path: Path,
        survey: Survey,
        listing: subprocess.Popen[bytes],
        data: subprocess.Popen[bytes],
    ) -> int:
        assert listing.stdout is not None
        assert data.stdout is not None
        buffer = memoryview(bytearray(_COPY_BYTES))
        count = files = 0
        copy_sizes = iter(survey.copy_sizes)
        for listed in _parse_listing(listing.stdout, path):
            kind = survey.kinds[count] if count < len(survey.kinds) else PLAIN
            mtime_ns = survey.mtimes[count] if count < len(survey.mtimes) else 0
            count += 1
            is_directory = listed.kind == "Directory"
            if listed.kind not in _INSTALLED:
                raise link_error(listed.name, path)
            if listed.is_old_version:  # `unrar p` does not print it
                continue
            entry = EntryBegin(listed.name, is_directory, listed.size, mtime_ns, kind == EXECUTABLE)
            if listed.kind in _COPIES:
                entry = entry._replace(size=next(copy_sizes, -1), copy_of=listed.original)
                check_copy(entry, path)
            files += not is_directory
            writer.entry(entry, listed.crc32)
            left = 0 if entry.copy_of else listed.size
            while left:
                got = _read_into(data.stdout, buffer[:left])
                if not got:
                    _check_exit(data, path)
                    break
                writer.data(buffer[:got])
                left -= got
            writer.entry_end()
        if _read_into(data.stdout, buffer):
            raise InstallError(
                "size-mismatch", f"The archive {path.name} yields more than its headers promise."
            )
        # Printing nothing is no failure when there are only folders.
        _check_exit(data, path, allowed=_NO_FILES if not files else 0)
        _check_exit(listing, path)
        return count


def _read_into(stream: IO[bytes], memory: memoryview) -> int:
    return os.readv(stream.fileno(), [memory])


def _check_exit(process: subprocess.Popen[bytes], path: Path, allowed: int = 0) -> None:
    """Wait for unrar and raise InstallError for a bad exit code."""
    code = process.wait()
    if code not in (0, allowed):
        default = ("unpacker-failed", f"cannot be unpacked (exit code {code} of unrar)")
        kind, what = _EXIT_CODES.get(code, default)
        raise InstallError(kind, f"The archive {path.name} {what}.")


def _parse_listing(lines: IO[bytes], path: Path) -> Iterator[_Listed]:
    """Read the blocks of `unrar lt`: `key: value` lines, where an entry starts with Name."""
    fields: dict[str, str] = {}
    for raw in lines:
        try:
            # Strip the line feed only: a carriage return could be part of a name.
            key, found, value = raw.decode().removesuffix("\n").partition(": ")
        except UnicodeDecodeError as error:
            raise InstallError(
                "unsafe-name", f"The archive {path.name} holds a name that is not Unicode."
            ) from error
        if not found or not key:
            if "Name" in fields:
                yield _listed(fields, path)
            fields = {}
        else:
            # Keep the first value: what a hostile name injects comes after it.
            fields.setdefault(key.strip(), value)
    if "Name" in fields:
        yield _listed(fields, path)


def _listed(fields: dict[str, str], path: Path) -> _Listed:
    try:
        crc32 = fields.get("CRC32")
        return _Listed(
            fields["Name"],
            fields["Type"],
            int(fields["Size"]) if fields["Type"] == "File" else 0,
            # For a copy, the listing has a checksum of no data.
            None if crc32 is None or fields["Type"] != "File" else int(crc32, 16),
            fields.get("Target", ""),
            "File version" in fields,
        )
    except (KeyError, ValueError) as error:
        raise InstallError(
            "unpacker-failed", f"The listing of {path.name} by unrar is not understood."
        ) from error
