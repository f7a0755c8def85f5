"""The slots for transfers, and waiting for hashing."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from network.address import Address
from peer_cli.library import index as index_module
from peer_cli.library.library import FILE_WORK
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, Question
from peer_cli.transfer import serve as serve_module
from tests.peer_cli.transfer.game_files import (
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.serve_bench import (
    FILES,
    TIMEOUT_S,
    Bench,
    FakeSession,
    open_transfer,
    run,
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


VERSION = wire.Range("version.ini", 0, 2)


async def busy(made: Bench, question: Question, ip: str) -> bool:
    """Whether a question is refused for want of a slot."""
    try:
        await made.ask(question, FakeSession(ip))
    except DeniedError as error:
        return error.code == "busy"
    return False


def test_tickets_of_one_address_leave_slots_to_others(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        question = open_transfer(VERSION)
        tickets = [await made.ticket(VERSION) for _ in range(serve_module.DOWNLOADS.per_address)]
        assert await busy(made, question, "127.0.0.1")
        assert not await busy(made, question, "127.0.0.2")
        assert await made.fetch(tickets[0]) == FILES["version.ini"]
        assert not await busy(made, question, "127.0.0.1")  # a used one makes room

    run(tmp_path, scenario)


def test_all_addresses_together_get_no_more_than_there_is(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        for number in range(serve_module.DOWNLOADS.total):
            await made.ticket(VERSION, ip=f"127.0.1.{number}")
        assert await busy(made, open_transfer(VERSION), "127.0.0.1")

    run(tmp_path, scenario)


def test_streams_are_fewer_and_take_no_slot_of_a_download(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        stream = wire.OpenStream(request=1, game_id="g", version="1")
        for _ in range(serve_module.STREAMS.per_address):
            assert not await busy(made, stream, "127.0.0.1")
        assert await busy(made, stream, "127.0.0.1")
        for number in range(serve_module.STREAMS.total - serve_module.STREAMS.per_address):
            assert not await busy(made, stream, f"127.0.1.{number}")
        assert await busy(made, stream, "127.0.0.2")
        assert not await busy(made, open_transfer(VERSION), "127.0.0.1")

    run(tmp_path, scenario)


def big_file(root: Path) -> wire.Range:
    """A file of more than any socket buffers."""
    write_files(root, {"version.ini": b"1\n"})
    with (root / "big.bin").open("wb") as file:
        file.truncate(1 << 30)
    return wire.Range("big.bin", 0, 1 << 30)


def test_transfers_that_go_out_hold_their_slots(tmp_path: Path) -> None:
    wanted = big_file(tmp_path / "games" / "g")

    async def scenario(made: Bench) -> None:
        clients, servings = [], []
        for _ in range(serve_module.DOWNLOADS.per_address):
            client, accepted = await made.connect()
            ticket = await made.ticket(wanted)
            work = made.server.serve(accepted, Address("127.0.0.1", 5), ticket)
            clients.append(client)
            servings.append(asyncio.create_task(work))
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.sock_recv(client, 1) for client in clients))
        assert await busy(made, open_transfer(wanted), "127.0.0.1")
        clients.pop().close()
        await asyncio.wait(servings, return_when=asyncio.FIRST_COMPLETED)
        assert not await busy(made, open_transfer(wanted), "127.0.0.1")
        # The others read nothing more; the end of the server does not wait for them.
        made.server.close()
        await asyncio.gather(*servings)
        for client in clients:
            client.close()

    run(tmp_path, scenario)


def test_nothing_is_served_after_the_end(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        ticket = await made.ticket(VERSION)
        made.server.close()
        assert await made.fetch(ticket) == b""

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "question",
    [
        wire.GetDigest(request=1, game_id="g"),
        wire.GetManifest(request=1, game_id="g"),
        open_transfer(VERSION),
    ],
)
def test_the_end_cancels_who_waits_for_an_answer(
    tmp_path: Path, question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        waiting, go_on = asyncio.Event(), asyncio.Event()

        @contextlib.asynccontextmanager
        async def turn(*_: object, **__: object) -> AsyncIterator[None]:
            waiting.set()
            await go_on.wait()
            yield

        monkeypatch.setattr(made.server._turns, "turn", turn)
        asking = asyncio.create_task(made.ask(question))
        await waiting.wait()
        made.server.close()
        go_on.set()
        await asyncio.wait([asking])
        assert asking.cancelled()
        with pytest.raises(DeniedError, match="stopping"):
            await made.ask(question)

    run(tmp_path, scenario)


class Gate:
    """Holds up the hashing of files until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        hash_blocks = index_module._hash_blocks

        def held_up(descriptor: int, path: Path, size: int, on_progress: Any) -> Any:
            if on_progress is not None:
                on_progress(0)
            self.reached.set()
            assert self.opened.wait(TIMEOUT_S)
            return hash_blocks(descriptor, path, size, on_progress)

        monkeypatch.setattr(index_module, "_hash_blocks", held_up)


def test_who_waits_for_hashing_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "games" / "g", FILES)
    monkeypatch.setattr(serve_module, "HASHING_NEWS_S", 0.01)
    gate = Gate(monkeypatch)

    async def scenario(made: Bench) -> None:
        session = FakeSession()
        asking = asyncio.create_task(made.ask(wire.GetManifest(request=7, game_id="g"), session))
        total = sum(len(data) + FILE_WORK for data in FILES.values())
        told = await session.sent.get()
        while told.total == 0:  # not even counted yet
            told = await session.sent.get()
        assert told == wire.Hashing(request=7, done=0, total=total)
        gate.opened.set()
        assert isinstance(await asking, wire.ManifestReply)

    run(tmp_path, scenario)


def test_hashing_that_nobody_waits_for_any_more_is_cut_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "games" / "g", FILES)
    gate = Gate(monkeypatch)
    told: list[dict[str, Any]] = []

    async def scenario(made: Bench) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        asking = asyncio.create_task(made.ask(wire.GetManifest(request=7, game_id="g")))
        await asyncio.to_thread(gate.reached.wait, TIMEOUT_S)
        (hashing,) = made.server._hashing.values()
        asking.cancel()
        hashing.cancelled.set()
        gate.opened.set()
        made.server.close()
        await asyncio.wait([asking])
        await asyncio.wait([hashing.files])

    run(tmp_path, scenario)
    gc.collect()
    assert told == []


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
