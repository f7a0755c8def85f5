"""What a legacy peer serves when its disk fails."""

import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest

from network.address import Address
from network.limits import RateLimiter
from sync_cli.legacy.serve import LegacyServer


def answers(folder: Path, *lines: bytes) -> list[bytes]:
    """Return all that comes for each of these lines, each on a connection of its own."""

    async def run() -> list[bytes]:
        server = LegacyServer(folder, RateLimiter(None))
        found = []
        for line in lines:
            ours, theirs = socket.socketpair()
            with theirs:
                ours.setblocking(False)
                theirs.setblocking(False)
                theirs.sendall(line)
                await server.greet(ours, Address("127.0.0.1", 1))
                got = b""
                while part := await asyncio.get_running_loop().sock_recv(theirs, 1000):
                    got += part
                found.append(got)
        await server.stop()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize(("call", "got"), [("sendfile", b"Content-Length: 7\n"), ("open", b"")])
def test_a_file_that_cannot_be_read_is_reported_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: str,
    got: bytes,
) -> None:
    (tmp_path / "a.txt").write_bytes(b"content")

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, fail)
    assert answers(tmp_path, b"a.txt\n", b"a.txt\n") == [got, got]
    assert capsys.readouterr().err == "sync-cli: a.txt cannot be sent: Input/output error\n"


def test_what_is_not_there_or_no_name_is_no_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to("a.txt")
    lines = (b"a.txt\n", b"link\n", b"x" * 300 + b"\n", b"\n", b"../a\n")
    assert answers(tmp_path, *lines) == [b""] * len(lines)
    assert capsys.readouterr().err == ""
