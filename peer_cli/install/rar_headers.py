"""Walks the headers of a RAR archive before anything is unpacked.

The UnRAR library mistakes an archive that simply stops for one that ends there, and notices
passwords and missing volumes only when it reaches them. This walk reads a few bytes per entry and
finds all of that beforehand, together with the totals that a progress display needs.
"""

import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from peer_cli.install.errors import InstallError
from peer_cli.install.rar_blocks import Block, reader_of, truncated

REPLACED, PLAIN, EXECUTABLE = range(3)
MAX_ENTRIES = 1_000_000
_LATEST_NS = (1 << 63) - 1  # the latest time that the entry stream can express


class Survey(NamedTuple):
    """What the headers promise: entries (files and directories) and bytes of all files.

    Versions that a newer one has replaced (`rar a -ver`) do not count. The arrays have one item per
    entry header, in their order. `stored`: where the entry's data starts in the archive if it is
    stored uncompressed, -1 if it has to be unpacked or is empty. `mtimes`: in ns since 1970, 0 if
    unknown. `kinds`: REPLACED, PLAIN or EXECUTABLE. `copy_sizes` has one item per hard link or file
    reference, in their order: the original's size, or -1 if there is no original. `dictionary`: the
    largest dictionary that an entry needs, in bytes.
    """

    entries: int
    total_bytes: int
    stored: "array[int]"
    mtimes: "array[int]"
    kinds: bytearray
    copy_sizes: list[int]
    dictionary: int


def survey_archive(path: Path, dictionary_limit: int) -> Survey:
    """Read all headers of an archive and add them up.

    `dictionary_limit` is in bytes. Raises InstallError with one of the codes `read-failed`,
    `not-an-archive`, `archive-truncated`, `archive-end-missing`, `archive-corrupt`,
    `archive-encrypted`, `archive-multi-volume`, `archive-unsupported`, `size-mismatch` or
    `dictionary-too-large`.
    """
    try:
        with path.open("rb") as file:
            return _survey(file, path.name, dictionary_limit)
    except OSError as error:
        raise InstallError(
            "read-failed", f"The archive {path.name} cannot be read: {error.strerror}."
        ) from error


def _survey(file: BinaryIO, name: str, dictionary_limit: int) -> Survey:
    read_block = reader_of(file, name)
    end = os.fstat(file.fileno()).st_size
    blocks = _blocks(file, name, read_block, end, dictionary_limit)
    first = file.tell()
    total_bytes = dictionary = 0
    stored, mtimes, kinds = array("q"), array("q"), bytearray()
    originals = []
    for block, data_at in blocks:
        if len(kinds) == MAX_ENTRIES:
            raise InstallError(
                "archive-unsupported", f"The archive {name} has more than {MAX_ENTRIES} entries."
            )
        stored.append(data_at if block.is_stored and block.size else -1)
        mtimes.append(block.mtime_ns if 0 < block.mtime_ns <= _LATEST_NS else 0)
        dictionary = max(dictionary, block.dictionary)
        if block.is_old_version:
            kinds.append(REPLACED)
            continue
        kinds.append(EXECUTABLE if block.is_executable else PLAIN)
        if block.copy_of:
            originals.append(block.copy_of)
        else:
            total_bytes += block.size or 0
    copy_sizes = []
    if originals:
        file.seek(first)
        wanted = set(originals)
        sizes = {
            block.name: block.size or 0
            for block, _ in _blocks(file, name, read_block, end, dictionary_limit)
            if block.name in wanted and not block.is_old_version and not block.copy_of
        }
        copy_sizes = [sizes.get(original, -1) for original in originals]
    return Survey(
        len(kinds) - kinds.count(REPLACED),
        total_bytes + sum(size for size in copy_sizes if size > 0),
        stored,
        mtimes,
        kinds,
        copy_sizes,
        dictionary,
    )


def _blocks(
    file: BinaryIO,
    name: str,
    read_block: Callable[[BinaryIO, str], Block],
    end: int,
    dictionary_limit: int,
) -> Iterator[tuple[Block, int]]:
    """Yield each entry's block and where its data starts, up to the end mark."""
    entries = 0
    while True:
        if file.tell() == end:
            raise InstallError(
                "archive-end-missing",
                f"The archive {name} stops after {entries} entries without its end mark: it was "
                "cut off there, or made by a RAR older than 3.0. Get it again, or pack it anew.",
            )
        block = read_block(file, name)
        if file.tell() + block.data_size > end:
            raise truncated(name)
        _check_block(block, name, dictionary_limit)
        if block.is_end:
            return
        following = file.tell() + block.data_size
        if block.is_entry:
            entries += 1
            yield block, file.tell()
        file.seek(following)


def _check_block(block: Block, name: str, dictionary_limit: int) -> None:
    if block.encrypted_headers:
        raise InstallError(
            "archive-encrypted",
            f"The archive {name} is encrypted, its file names too. Pack it without a password.",
        )
    if block.in_volumes:
        raise InstallError(
            "archive-multi-volume",
            f"The archive {name} is one of several volumes. Pack it as one file.",
        )
    if block.encrypted:
        raise InstallError(
            "archive-encrypted",
            f"The files in the archive {name} are encrypted. Pack it without a password.",
        )
    if block.size is None:
        raise InstallError(
            "archive-unsupported",
            f"The archive {name} does not tell the size of its files. Pack it from files.",
        )
    if block.is_stored and block.data_size != block.size:
        raise InstallError(
            "size-mismatch",
            f"The archive {name} stores {block.data_size} bytes of a file, but its header promises "
            f"{block.size}.",
        )
    if block.dictionary > dictionary_limit:
        raise InstallError(
            "dictionary-too-large",
            f"The archive {name} needs a dictionary of {block.dictionary >> 20} MiB, more than "
            f"the {dictionary_limit >> 20} MiB allowed. Pack it with a smaller one (-md).",
        )
