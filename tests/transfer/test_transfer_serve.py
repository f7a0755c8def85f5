"""What a source answers, and what it sends over a data connection."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from game_files import BLOCK, content, manifest_of, use_small_blocks, write_files

from peer_cli.catalog import CatalogEntry
from peer_cli.install.unpacker import Unpacker
from peer_cli.library import index as index_module
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.limits import RateLimiter
from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.session import DeniedError, Question, Session
from peer_cli.transfer import serve as serve_module
from peer_cli.transfer.serve import Server

TIMEOUT_S = 10.0
CATALOG = {"g": CatalogEntry("g", "1"), "h": CatalogEntry("h", "2")}
FILES = {
    "version.ini": b"1\n",
    "a.eti": content("a", 5 * BLOCK + 3),
    "sub/empty.bin": b"",
    "sub/b.bin": content("b", 100),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


class FakeSession:
    """The session of a peer at an address; keeps what is sent to it."""

    def __init__(self, ip: str = "127.0.0.1") -> None:
        self.addr = Address(ip, 1)
        self.sent: asyncio.Queue[Any] = asyncio.Queue()

    def send(self, message: wire.Message) -> None:
        self.sent.put_nowait(message)


class Bench:
    """A server of one library."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.active: set[str] = set()
        self.index = ContentIndex(folder / "index.db")
        self.library = Library(folder / "games", self.index)
        self.server = Server(
            self.library,
            CATALOG,
            RateLimiter(None),
            Unpacker(),
            pool,
            self.active.__contains__,
        )
        self._listening = socket.create_server(("127.0.0.1", 0))

    async def ask(self, question: Question, session: FakeSession | None = None) -> wire.Answer:
        return await self.server.answer(cast("Session", session or FakeSession()), question)

    async def ticket(self, *ranges: wire.Range) -> bytes:
        answer = await self.ask(open_transfer(*ranges))
        assert isinstance(answer, wire.Ticket)
        return answer.ticket

    async def connect(self) -> tuple[socket.socket, socket.socket]:
        """A connection to the server: the other peer's end and the server's."""
        client = socket.create_connection(self._listening.getsockname())
        accepted, _ = self._listening.accept()
        client.setblocking(False)
        accepted.setblocking(False)
        return client, accepted

    async def fetch(self, ticket: bytes, ip: str = "127.0.0.1") -> bytes:
        """Everything that is sent for a ticket."""
        client, accepted = await self.connect()
        serving = asyncio.create_task(self.server.serve(accepted, Address(ip, 5), ticket))
        received = await read_all(client)
        await serving
        return received

    def close(self) -> None:
        self.index.close()
        self._listening.close()


async def read_all(client: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    with client, contextlib.suppress(ConnectionError):
        while part := await loop.sock_recv(client, 1 << 16):
            received += part
    return received


@contextlib.asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    with ThreadPoolExecutor(8) as pool:
        made = Bench(folder, pool)
        try:
            await made.library.rescan()
            yield made
        finally:
            made.server.close()
            made.close()


def run(folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(TIMEOUT_S), bench(folder) as made:
            await scenario(made)

    asyncio.run(limited())


def open_transfer(*ranges: wire.Range, version: str = "1", game_id: str = "g") -> wire.OpenTransfer:
    return wire.OpenTransfer(request=7, game_id=game_id, version=version, ranges=list(ranges))


def test_the_manifest_is_what_is_served(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", {**FILES, "local/save": b"mine", ".lanspread/x": b"x"})

    async def scenario(made: Bench) -> None:
        answer = await made.ask(wire.GetManifest(request=7, game_id="g"))
        expected = list(manifest_of(FILES).files)
        assert answer == wire.ManifestReply(request=7, game_id="g", version="1", files=expected)

    run(tmp_path, scenario)


def test_a_game_that_cannot_be_read_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ContentIndex, "file_blocks", fail)

    async def scenario(made: Bench) -> None:
        with pytest.raises(DeniedError) as caught:
            await made.ask(wire.GetManifest(request=7, game_id="g"))
        assert caught.value.code == "unreadable"

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "question",
    [
        wire.GetManifest(request=1, game_id="g"),
        open_transfer(wire.Range("a.eti", 0, 1)),
        wire.OpenStream(request=1, game_id="g", version="1"),
    ],
    ids=lambda q: type(q).__name__,
)
def test_every_question_passes_the_gates(tmp_path: Path, question: Question) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        await made.ask(question)
        made.active.add("g")
        with pytest.raises(DeniedError) as caught:
            await made.ask(question)
        assert caught.value.code == "operation-active"
        made.active.clear()
        (tmp_path / "games" / "g" / "version.ini").write_bytes(b"2\n")
        await made.library.rescan()
        with pytest.raises(DeniedError) as caught:
            await made.ask(question)
        assert caught.value.code == "wrong-version"

    run(tmp_path, scenario)


def test_who_asks_for_another_version_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        for question in (
            open_transfer(wire.Range("a.eti", 0, 1), version="2"),
            wire.OpenStream(request=1, game_id="g", version="2"),
        ):
            with pytest.raises(DeniedError) as caught:
                await made.ask(question)
            assert caught.value.code == "wrong-version"

    run(tmp_path, scenario)


def test_exactly_the_ranges_are_sent_in_their_order(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        ticket = await made.ticket(
            wire.Range("sub/b.bin", 10, 20),
            wire.Range("sub/empty.bin", 0, 0),
            wire.Range("a.eti", BLOCK, BLOCK),
            wire.Range("version.ini", 0, 2),
        )
        received = await made.fetch(ticket)
        assert received == (
            FILES["sub/b.bin"][10:30] + FILES["a.eti"][BLOCK : 2 * BLOCK] + FILES["version.ini"]
        )
        assert await made.fetch(ticket) == b""  # a ticket works once
        assert made.server.outbound_counts() == {}

    run(tmp_path, scenario)


def test_without_a_good_ticket_nothing_is_sent(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        ticket = await made.ticket(wire.Range("version.ini", 0, 2))
        assert await made.fetch(bytes(32)) == b""
        assert await made.fetch(ticket, ip="127.0.0.2") == b""
        assert await made.fetch(ticket) == FILES["version.ini"]

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "change", ["gone", "shorter", "link out", "reserved link", "linked folder"]
)
def test_a_disk_that_changed_since_is_an_early_end(tmp_path: Path, change: str) -> None:
    root = tmp_path / "games" / "g"
    write_files(root, {**FILES, "local/save": b"mine" * 100})
    (tmp_path / "outside").write_bytes(b"secret" * 100)

    async def scenario(made: Bench) -> None:
        ticket = await made.ticket(wire.Range("version.ini", 0, 2), wire.Range("sub/b.bin", 0, 100))
        path = root / "sub/b.bin"
        path.unlink()
        match change:
            case "shorter":
                path.write_bytes(FILES["sub/b.bin"][:50])
            case "link out":
                path.symlink_to(tmp_path / "outside")
            case "reserved link":
                path.symlink_to(root / "local" / "save")
            case "linked folder":
                (root / "sub").rename(root / "away")
                write_files(tmp_path / "elsewhere", {"b.bin": b"secret" * 100})
                (root / "sub").symlink_to(tmp_path / "elsewhere")
        received = await made.fetch(ticket)
        whole = FILES["version.ini"] + FILES["sub/b.bin"][: 50 if change == "shorter" else 0]
        assert received == whole

    run(tmp_path, scenario)


def test_transfers_are_counted_until_they_end_and_can_be_cut(tmp_path: Path) -> None:
    root = tmp_path / "games" / "g"
    write_files(root, {"version.ini": b"1\n"})
    with (root / "big.bin").open("wb") as file:
        file.truncate(1 << 30)  # more than any socket buffers

    async def scenario(made: Bench) -> None:
        servings = []
        for _ in range(2):
            ticket = await made.ticket(wire.Range("big.bin", 0, 1 << 30))
            client, accepted = await made.connect()
            work = made.server.serve(accepted, Address("127.0.0.1", 5), ticket)
            servings.append((client, asyncio.create_task(work)))
            assert await asyncio.get_running_loop().sock_recv(client, 1)
        assert made.server.outbound_counts() == {"g": 2}
        (vanishing, serving), (client, cut) = servings
        vanishing.close()
        await serving
        assert made.server.outbound_counts() == {"g": 1}
        made.server.close()
        await cut
        assert made.server.outbound_counts() == {}
        client.close()

    run(tmp_path, scenario)


def test_too_much_at_once_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        monkeypatch.setattr(serve_module, "MAX_OUTBOUND", 0)
        with pytest.raises(DeniedError) as caught:
            await made.ticket(wire.Range("version.ini", 0, 2))
        assert caught.value.code == "busy"
        monkeypatch.undo()
        monkeypatch.setattr("peer_cli.transfer.tickets.MAX_OPEN_TICKETS", 1)
        await made.ticket(wire.Range("version.ini", 0, 2))
        with pytest.raises(DeniedError) as caught:
            await made.ticket(wire.Range("version.ini", 0, 2))
        assert caught.value.code == "busy"

    run(tmp_path, scenario)


class Gate:
    """Holds up the hashing of files until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        hash_blocks = index_module._hash_blocks

        def held_up(descriptor: int, size: int, on_progress: Any) -> Any:
            if on_progress is not None:
                on_progress(0)
            self.reached.set()
            assert self.opened.wait(TIMEOUT_S)
            return hash_blocks(descriptor, size, on_progress)

        monkeypatch.setattr(index_module, "_hash_blocks", held_up)


def test_who_waits_for_hashing_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "games" / "g", FILES)
    monkeypatch.setattr(serve_module, "HASHING_NEWS_S", 0.01)
    gate = Gate(monkeypatch)

    async def scenario(made: Bench) -> None:
        session = FakeSession()
        asking = asyncio.create_task(made.ask(wire.GetManifest(request=7, game_id="g"), session))
        total = sum(map(len, FILES.values()))
        told = await session.sent.get()
        while told.total == 0:  # not even counted yet
            told = await session.sent.get()
        assert told == wire.Hashing(request=7, done=0, total=total)
        gate.opened.set()
        assert isinstance(await asking, wire.ManifestReply)

    run(tmp_path, scenario)


def test_everybody_who_waits_for_hashing_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "games" / "g", FILES)
    monkeypatch.setattr(serve_module, "HASHING_NEWS_S", 0.01)
    gate = Gate(monkeypatch)

    async def scenario(made: Bench) -> None:
        sessions = [FakeSession(), FakeSession()]
        question = wire.GetManifest(request=7, game_id="g")
        asking = [asyncio.create_task(made.ask(question, session)) for session in sessions]
        try:
            async with asyncio.timeout(5):
                for session in sessions:
                    assert isinstance(await session.sent.get(), wire.Hashing)
        finally:
            gate.opened.set()
            await asyncio.gather(*asking)

    run(tmp_path, scenario)


def test_many_who_wait_for_hashing_hold_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "games" / "g", FILES)
    write_files(tmp_path / "games" / "h", {"version.ini": b"2\n"})
    gate = Gate(monkeypatch)

    async def scenario(made: Bench) -> None:
        question = wire.GetManifest(request=7, game_id="g")
        asking = [asyncio.create_task(made.ask(question)) for _ in range(40)]
        await asyncio.to_thread(gate.reached.wait, TIMEOUT_S)
        other = open_transfer(wire.Range("version.ini", 0, 2), game_id="h", version="2")
        try:
            async with asyncio.timeout(5):
                assert isinstance(await made.ask(other), wire.Ticket)
        finally:
            gate.opened.set()
            await asyncio.gather(*asking)

    run(tmp_path, scenario)
