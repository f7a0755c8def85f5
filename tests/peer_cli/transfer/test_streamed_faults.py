"""Streamed installs on a disk that fails, swept through every call that they make."""

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from network.address import Address
from network.limits import RateLimiter
from peer_cli.catalog import CatalogEntry
from peer_cli.install import transaction
from peer_cli.install.entries import encode
from peer_cli.install.errors import InstallError
from peer_cli.install.unpacker import Unpacker
from peer_cli.network import wire
from peer_cli.network.session import Session
from peer_cli.transfer.download import DownloadError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.records import KEY_BYTES, RecordWriter
from peer_cli.transfer.streamed import StreamedInstall
from tests.peer_cli.faults import Calls, failing, sweep
from tests.peer_cli.gate import Gate
from tests.peer_cli.install.test_faults import ENTRIES, NEW, tree_of

KEY = bytes(KEY_BYTES)
TIMEOUT_S = 10.0


@contextmanager
def source_of(stream: bytes) -> Iterator[Source]:
    """Return a source that sends this entry stream to whoever connects."""
    payload = memoryview(stream)
    record = RecordWriter(KEY).header(payload) + stream

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # closed: the test is over
                return
            with connection:
                connection.recv(len(wire.DATA_MAGIC) + wire.TICKET_BYTES, socket.MSG_WAITALL)
                connection.sendall(record)

    async def ask(question: Any, _: float) -> wire.StreamTicket:
        return wire.StreamTicket(request=1, ticket=bytes(wire.TICKET_BYTES), key=KEY)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        session = SimpleNamespace(ask=ask, local_ip="127.0.0.1")
        yield Source("a", Address(*listening.getsockname()), cast("Session", session))
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()


def stream_install(games: Path, source: Source, pool: ThreadPoolExecutor) -> str:
    """Stream and commit as games.py does; return the code of the failure, or "done"."""
    context = DownloadContext(
        games / "state",
        RateLimiter(None),
        pool,
        TIMEOUT_S,
        lambda event: None,
        Gate().caught_up,
        lambda *_: None,
    )

    async def run() -> None:
        streamed = StreamedInstall(
            context, games / "ggoo", CatalogEntry("ggoo", "1"), Unpacker(), [source]
        )
        await streamed.run()
        try:
            transaction.commit_staging(games / "ggoo", games / "state")
        except InstallError:
            streamed.discard()
            raise

    try:
        asyncio.run(run())
    except (DownloadError, InstallError) as error:
        return error.code
    return "done"


@pytest.mark.parametrize(
    ("code", "for_good"), [(errno.EIO, False), (errno.ENOSPC, True), (errno.EACCES, True)]
)
def test_a_stream_is_installed_whole_or_not_at_all(
    tmp_path: Path, code: int, for_good: bool
) -> None:
    stream = b"".join(encode(event) for event in ENTRIES)

    def attempt(nth: int) -> Calls:
        games = tmp_path / str(nth)
        games.mkdir()
        local = games / "ggoo" / transaction.LOCAL
        with failing(games, nth, code, for_good=for_good) as calls:
            told = stream_install(games, source, pool)
        assert told in ("done", "write-failed"), (calls.hit, told)
        want = NEW if told == "done" else None
        assert tree_of(local) == want, (calls.hit, told)
        assert transaction.recover(games) == []
        assert tree_of(local) == want, (calls.hit, told)
        if told != "done":
            assert list(games.glob("ggoo/*")) == [], (calls.hit, told)
            assert stream_install(games, source, pool) == "done", calls.hit
        assert tree_of(local) == NEW, calls.hit
        return calls

    with source_of(stream) as source, ThreadPoolExecutor(4) as pool:
        assert sweep(attempt) > 15
