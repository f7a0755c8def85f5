"""Unpacks archives by an external `unrar` program into the same entry stream.

`unrar lt` lists the entries, `unrar p` prints all their bytes one after the other in the same
order: one pass over the data. Both run side by side, so the memory does not grow with the archive.
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
from peer_cli.install.rar_headers import Survey
from peer_cli.install.unpack import link_error

_COPY_BYTES = 1 << 20
# No password, no settings of the user, no archive comment.
_OPTIONS = ("-p-", "-cfg-", "-c-")
_EXIT_CODES = {
    3: ("archive-corrupt", "is damaged: a checksum does not match"),
    8: ("archive-unsupported", "needs more memory than there is"),
    10: ("archive-unsupported", "holds nothing that this unrar can read"),
    11: ("archive-encrypted", "is encrypted"),
}


class _Listed(NamedTuple):
    """One entry of a technical listing; `crc32` None where the archive has another checksum."""

    name: str
    kind: str
    size: int
    crc32: int | None


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
        # By descriptor: in a name, unrar takes `*` and `?` for a pattern.
        archive = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._start("lt", archive) as listing, self._start("p", archive, "-inul") as data:
                try:
                    count = self._send_entries(writer, path, listing, data)
                finally:
                    # After an error both may still have much to say.
                    listing.kill()
                    data.kill()
        finally:
            os.close(archive)
        if count != survey.entries:
            raise InstallError(
                "archive-corrupt",
                f"The archive {path.name} has {survey.entries} entries, but {count} were listed.",
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
        listing: subprocess.Popen[bytes],
        data: subprocess.Popen[bytes],
    ) -> int:
        assert listing.stdout is not None
        assert data.stdout is not None
        buffer = memoryview(bytearray(_COPY_BYTES))
        count = 0
        for listed in _parse_listing(listing.stdout, path):
            count += 1
            is_directory = listed.kind == "Directory"
            if listed.kind != "File" and not is_directory:
                raise link_error(listed.name, path)
            writer.entry(EntryBegin(listed.name, is_directory, listed.size, 0), listed.crc32)
            left = listed.size
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
        _check_exit(data, path)
        _check_exit(listing, path)
        return count


def _read_into(stream: IO[bytes], memory: memoryview) -> int:
    return os.readv(stream.fileno(), [memory])


def _check_exit(process: subprocess.Popen[bytes], path: Path) -> None:
    """Raise what the exit code of an unrar that ended says."""
    code = process.wait()
    if code:
        default = ("unpacker-failed", f"cannot be unpacked (exit code {code} of unrar)")
        kind, what = _EXIT_CODES.get(code, default)
        raise InstallError(kind, f"The archive {path.name} {what}.")


def _parse_listing(lines: IO[bytes], path: Path) -> Iterator[_Listed]:
    """Read the blocks of `unrar lt`: lines `key: value`, the first key of an entry is Name."""
    fields: dict[str, str] = {}
    for raw in lines:
        try:
            # Only the line feed: a carriage return could be part of a name.
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
            # The first one counts: what a hostile name adds comes after it.
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
            None if crc32 is None else int(crc32, 16),
        )
    except (KeyError, ValueError) as error:
        raise InstallError(
            "unpacker-failed", f"The listing of {path.name} by unrar is not understood."
        ) from error
