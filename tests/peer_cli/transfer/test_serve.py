"""What a source answers, and what it sends over a data connection."""

import asyncio
import errno
import os
import threading
from contextlib import closing
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from network.address import Address
from peer_cli.library.index import ContentIndex
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, Question
from peer_cli.transfer import send, serve
from store.names import UnsafeName
from tests.peer_cli.transfer.game_files import (
    BLOCK,
    manifest_of,
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.serve_bench import FILES, Bench, open_transfer, read_all, run


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


@pytest.fixture(params=[True, False], ids=["together", "alone"])
def together(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether small ranges are sent together, or each one like a large one."""
    if not request.param:
        monkeypatch.setattr(send, "_SMALL_BYTES", 0)
    return bool(request.param)


def test_the_manifest_is_what_is_served(tmp_path: Path) -> None:
    root = tmp_path / "games" / "g"
    write_files(root, {**FILES, "local/save": b"mine", ".lanspread/x": b"x"})
    for number, path in enumerate(sorted(FILES)):
        (root / path).chmod(0o755 if number else 0o644)
        os.utime(root / path, ns=(1, number))

    async def scenario(made: Bench) -> None:
        answer = await made.ask(wire.GetManifest(request=7, game_id="g"))
        expected = [
            msgspec.structs.replace(file, executable=number > 0, mtime_ns=number)
            for number, file in enumerate(manifest_of(FILES).files)
        ]
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


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_either_side_may_have_the_data_encrypted(tmp_path: Path, *, own: bool, asked: bool) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    async def scenario(made: Bench) -> None:
        question = msgspec.structs.replace(
            open_transfer(wire.Range("version.ini", 0, 2)), encrypt=asked
        )
        first, second = await made.ask(question), await made.ask(question)
        assert isinstance(first, wire.Ticket)
        assert isinstance(second, wire.Ticket)
        assert (first.seal is not None) == (own or asked)
        assert first.seal is None or first.seal != second.seal
        sent = await made.fetch(first.ticket)
        assert sent
        assert (sent == FILES["version.ini"]) == (first.seal is None)

    run(tmp_path, scenario, encrypt=own)


def test_ranges_are_checked_beside_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand ranges of as many files take a while, in which others have their turn."""
    write_files(tmp_path / "games" / "g", FILES)
    checked_in: list[threading.Thread] = []
    check = serve.check_ranges

    def watched(root: Path, ranges: list[wire.Range]) -> None:
        checked_in.append(threading.current_thread())
        check(root, ranges)

    monkeypatch.setattr(serve, "check_ranges", watched)

    async def scenario(made: Bench) -> None:
        assert isinstance(await made.ask(open_transfer(wire.Range("a.eti", 0, 1))), wire.Ticket)

    run(tmp_path, scenario)
    assert [thread is threading.main_thread() for thread in checked_in] == [False]


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
def test_a_disk_that_changed_since_is_an_early_end(
    tmp_path: Path, change: str, *, together: bool
) -> None:
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
        part = 50 if change == "shorter" and not together else 0
        assert received == FILES["version.ini"] + FILES["sub/b.bin"][:part]

    run(tmp_path, scenario)


@pytest.mark.usefixtures("together")
def test_a_disk_that_fails_while_it_is_sent_from_is_a_problem_of_the_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "games" / "g"
    write_files(root, FILES)
    bad = (root / "sub/b.bin").stat().st_ino
    sendfile, preadv, pread = os.sendfile, os.preadv, os.pread
    broken = [True]

    def fail_on_bad(descriptor: int) -> None:
        if broken[0] and os.fstat(descriptor).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def failing_sendfile(out: int, file: int, offset: int, count: int) -> int:
        fail_on_bad(file)
        return sendfile(out, file, offset, count)

    def failing_preadv(file: int, buffers: list[memoryview], offset: int) -> int:
        fail_on_bad(file)
        return preadv(file, buffers, offset)

    def failing_pread(file: int, count: int, offset: int) -> bytes:
        fail_on_bad(file)
        return pread(file, count, offset)

    monkeypatch.setattr(os, "sendfile", failing_sendfile)
    monkeypatch.setattr(os, "preadv", failing_preadv)
    monkeypatch.setattr(os, "pread", failing_pread)

    async def scenario(made: Bench) -> None:
        ticket = await made.ticket(wire.Range("version.ini", 0, 2), wire.Range("sub/b.bin", 0, 100))
        client, accepted = await made.connect()
        serving = asyncio.create_task(made.server.serve(accepted, Address("127.0.0.1", 5), ticket))
        assert await read_all(client) == FILES["version.ini"]
        assert await serving == "g"
        await made.library.rescan(frozenset(["g"]))
        game = made.library.game("g")
        assert game is not None
        assert game.problem == "The file 'b.bin' cannot be read: Input/output error."
        with pytest.raises(DeniedError) as caught:
            await made.ticket(wire.Range("version.ini", 0, 2))
        assert caught.value.code == "unreadable"
        broken[0] = False
        await made.library.rescan()
        assert await made.fetch(await made.ticket(wire.Range("sub/b.bin", 0, 100)))

    run(tmp_path, scenario)


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.usefixtures("together")
def test_a_bad_block_is_a_problem_of_the_game_also_when_it_is_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, encrypt: bool
) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def scenario(made: Bench) -> None:
        question = msgspec.structs.replace(
            open_transfer(wire.Range("sub/b.bin", 0, 100)), encrypt=encrypt
        )
        answer = await made.ask(question)
        assert isinstance(answer, wire.Ticket)
        monkeypatch.setattr(os, "sendfile", fail)
        monkeypatch.setattr(os, "preadv", fail)
        monkeypatch.setattr(os, "pread", fail)
        client, accepted = await made.connect()
        serving = made.server.serve(accepted, Address("127.0.0.1", 5), answer.ticket)
        with client:
            assert await serving == "g"
        await made.library.rescan(frozenset(["g"]))
        assert made.library.rows()[0].problem == (
            "The file 'b.bin' cannot be read: Input/output error."
        )

    run(tmp_path, scenario)


def test_a_folder_that_becomes_a_link_leads_nowhere(tmp_path: Path) -> None:
    root = tmp_path / "g"
    write_files(root, {"sub/a": b"a", "sub/b": b"b", "top": b"t"})
    write_files(tmp_path / "secret", {"b": b"secret", "c": b"secret"})
    (root / "sub" / "link").symlink_to("../top")
    with closing(send._OpenFolder(root)) as folder:
        read(folder.open(PurePosixPath("sub/a")))
        (root / "sub").rename(root / "aside")
        (root / "sub").symlink_to(tmp_path / "secret")
        assert read(folder.open(PurePosixPath("sub/b"))) == b"b"
        with pytest.raises(UnsafeName):
            folder.open(PurePosixPath("sub/link"))
        assert read(folder.open(PurePosixPath("aside/link"))) == b"t"
        with pytest.raises(UnsafeName):
            folder.open(PurePosixPath("sub/c"))


def read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def test_what_keeps_a_source_from_sending_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(tmp_path / "games" / "g", FILES)

    def fail(*_: object) -> Path:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def scenario(made: Bench) -> None:
        ticket = await made.ticket(wire.Range("sub/b.bin", 0, 100))
        monkeypatch.setattr(send, "resolve_served", fail)
        client, accepted = await made.connect()
        with client:
            assert await made.server.serve(accepted, Address("127.0.0.1", 5), ticket) == "g"

    run(tmp_path, scenario)
    assert capsys.readouterr().err == (
        "peer-cli: g could not be sent: [Errno 24] Too many open files\n"
    )


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
