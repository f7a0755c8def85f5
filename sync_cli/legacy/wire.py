"""The lines of the legacy wire, byte for byte. Pure.

Format: docs/sync-protocol.md, "The legacy wire".
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

MAX_NAME_BYTES = 255
MAX_FILES = 100_000  # of one peer
MAX_HELLO_BYTES = 32 << 20
MAX_DIRECTORY_BYTES = 64 << 20
MAX_HEADER_BYTES = 64
MAX_LENGTH = 2**63 - 1
MAX_MTIME = 2**53

CODE_SUFFIXES = (".py", ".so", ".dll")
RESERVED_NAME = ".sync"
_HEADER = re.compile(rb"Content-Length: ([0-9]{1,19})")


class WireError(Exception):
    """The other side said what the legacy wire does not have; the text says what."""


class Announcement(NamedTuple):
    """What a peer tells the tracker: its port and, the first time, its files with their mtimes."""

    port: int
    files: Mapping[str, int] | None


class Holder(NamedTuple):
    """Who has a file, and from when (whole Unix seconds) it is."""

    ip: str
    port: int
    mtime: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Directory(NamedTuple):
    """The tracker's answer: the holder of each name, and what was wrong with other entries."""

    files: Mapping[str, Holder]
    refused: list[str]


def is_exchanged(name: str) -> bool:
    """Tell whether a name of the directory may be asked for, served and written to a folder."""
    return (
        name not in ("", ".", "..", RESERVED_NAME)
        and not any(character in name for character in "/\0\n")
        and not name.endswith(CODE_SUFFIXES)
        and len(name.encode(errors="surrogateescape")) <= MAX_NAME_BYTES
    )


def encode_announcement(port: int, files: Mapping[str, int] | None = None) -> bytes:
    """Return a peer's line: with its files the first time, without them to stay alive."""
    message: dict[str, Any] = {"port": port}
    if files is not None:
        message["files"] = [{"name": name, "mtime": mtime} for name, mtime in files.items()]
    return json.dumps(message).encode() + b"\n"


def decode_announcement(line: bytes) -> Announcement:
    """Read a peer's line. Raises WireError."""
    message = _object(line)
    port, files = message.get("port"), message.get("files")
    if not _is_port(port):
        raise WireError("the port is no number from 1 to 65535")
    if files is None:
        return Announcement(port, None)
    if not isinstance(files, list) or len(files) > MAX_FILES:
        raise WireError(f"the files are no list of at most {MAX_FILES}")
    found = {}
    for entry in files:
        if not isinstance(entry, dict):
            raise WireError("a file is no object")
        name, mtime = entry.get("name"), entry.get("mtime")
        if not isinstance(name, str) or not _is_mtime(mtime):
            raise WireError("a file has no name and no mtime")
        if _is_text(name) and is_exchanged(name):
            found[name] = mtime
    return Announcement(port, found)


def encode_directory(files: Mapping[str, Holder]) -> bytes:
    """Return the tracker's line."""
    return json.dumps({name: holder._asdict() for name, holder in files.items()}).encode() + b"\n"


def decode_directory(line: bytes) -> Directory:
    """Read the tracker's line. An entry that is wrong is left out. Raises WireError."""
    files, refused = {}, []
    for name, entry in _object(line).items():
        if not _is_text(name) or not is_exchanged(name):
            refused.append(f"the name {name[:80]!a} is not accepted")
            continue
        holder = _holder(entry)
        if holder is None:
            refused.append(f"the entry of {name[:80]!a} has no ip, port and mtime")
            continue
        files[name] = holder
    return Directory(files, refused)


def encode_request(name: str) -> bytes:
    """Return the line that asks a peer for a file."""
    return name.encode(errors="surrogateescape") + b"\n"


def decode_request(line: bytes) -> str:
    """Return the name that a line asks for."""
    return line.decode(errors="surrogateescape")


def encode_header(length: int) -> bytes:
    """Return the line before a file's bytes."""
    return b"Content-Length: %d\n" % length


def decode_header(line: bytes) -> int:
    """Return the length that the line before a file's bytes announces. Raises WireError."""
    match = _HEADER.fullmatch(line.removesuffix(b"\r"))
    if match is None or int(match[1]) > MAX_LENGTH:
        raise WireError(f"{line[:40]!r} is no header")
    return int(match[1])


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the line is no JSON: {str(error)[:200]}") from None
    if not isinstance(message, dict):
        raise WireError("the line is no JSON object")
    return message


def _holder(entry: Any) -> Holder | None:
    if not isinstance(entry, dict):
        return None
    ip, port, mtime = entry.get("ip"), entry.get("port"), entry.get("mtime")
    if not isinstance(ip, str) or len(ip) > 64 or not _is_port(port) or not _is_mtime(mtime):
        return None
    return Holder(ip, port, mtime)


def _is_port(value: Any) -> TypeGuard[int]:
    return type(value) is int and 1 <= value <= 65_535


def _is_mtime(value: Any) -> TypeGuard[int]:
    return type(value) is int and abs(value) <= MAX_MTIME


def _is_text(name: str) -> bool:
    """Tell whether a name is text, or bytes that are none as Python writes them (PEP 383)."""
    try:
        name.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
