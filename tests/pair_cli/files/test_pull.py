"""Adding, announcing and pulling, over a fake channel."""

import asyncio
import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest

from headless.envelope import CommandError
from pair_cli import messages
from pair_cli.files import serve
from pair_cli.files.fetch import WINDOW
from pair_cli.messages import (
    FileAnnounced,
    FileChanged,
    FileRemoved,
    FileRenamed,
    PullBegin,
    PullFailed,
    PullFinished,
    PullRestarted,
)
from tests.pair_cli.fake_channel import WAIT_S, FakePair, fake_pair

MIB = 1 << 20


def write(path: Path, data: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return data


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def share(pair: FakePair, name: str, data: bytes) -> bytes:
    write(pair.one.folder / name, data)
    await pair.one.do(messages.Add(path=name))
    await pair.other.do(messages.WaitFile(path=name, timeout_ms=10_000))
    return data


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 5 * MIB + 17])
def test_a_file_is_announced_and_pulled(tmp_path: Path, size: int) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            data = await share(pair, "folder/a.bin", os.urandom(size))
            announced = await pair.other.event(FileAnnounced)
            assert (announced.path, announced.size) == ("folder/a.bin", size)
            await pair.other.do(messages.Pull(path="folder/a.bin"))
            finished = await pair.other.event(PullFinished)
            assert (pair.other.folder / "folder/a.bin").read_bytes() == data
            assert finished.wire_bytes == size
            assert names(pair.other.folder / "folder") == ["a.bin"]

    asyncio.run(run())


def test_what_was_added_while_apart_is_told_later(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            for number in range(50):
                write(pair.one.folder / f"d/{number}", b"x" * number)
            result = await pair.one.do(messages.Add(path="d"), messages.AddResult)
            assert len(result.added) == 50
            pair.connect()
            await pair.other.do(messages.WaitFile(path="d/49", timeout_ms=10_000))
            await pair.cut()
            await pair.one.do(messages.Remove(path="d/7"))
            write(pair.one.folder / "e", b"e")
            await pair.one.do(messages.Add(path="e"))
            before = len(pair.other.events)
            pair.connect()
            await pair.other.do(messages.WaitFile(path="e", timeout_ms=10_000))
            listed = await pair.other.do(messages.List(side="remote"), messages.ListResult)
            assert len(listed.files) == 50
            assert list(pair.other.events[before:]) == [
                FileRemoved(path="d/7", side="remote"),
                await pair.other.event(FileAnnounced, path="e"),
            ]

    asyncio.run(run())


def test_added_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            await share(pair, "a", b"one")
            same = await pair.one.do(messages.Add(path="a"), messages.AddResult)
            assert same.unchanged == ["a"]
            write(pair.one.folder / "a", b"two")
            changed = await pair.one.do(messages.Add(path="a"), messages.AddResult)
            assert changed.changed == ["a"]
            await pair.other.event(FileChanged, path="a", size=3)
            with pytest.raises(CommandError) as refused:
                await pair.one.do(messages.Add(path="a", strict=True))
            assert (refused.value.code, refused.value.errno) == ("file-exists", "EEXIST")
            with pytest.raises(CommandError) as refused:
                await pair.one.do(messages.Add(path="nothing"))
            assert (refused.value.code, refused.value.errno) == ("no-such-file", "ENOENT")
            assert "no such file or directory" in str(refused.value)

    asyncio.run(run())


def test_remove_and_rename_reach_the_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            await share(pair, "a", b"aaa")
            await share(pair, "b", b"bbb")
            await pair.one.do(messages.Rename(path="a", to="sub/c"))
            await pair.other.event(FileRenamed, path="a", to="sub/c", side="remote")
            await pair.one.do(messages.Remove(path="b"))
            await pair.other.event(FileRemoved, path="b")
            assert (pair.one.folder / "b").exists()
            assert (pair.one.folder / "sub/c").read_bytes() == b"aaa"
            await pair.other.do(messages.Pull(path="sub/c", to="here"))
            await pair.other.event(PullFinished)
            assert (pair.other.folder / "here").read_bytes() == b"aaa"
            # The other renames this side's file: the tree changes, the disk does not.
            await pair.other.do(messages.Rename(path="sub/c", to="d"))
            await pair.one.event(FileRenamed, path="sub/c", to="d", side="local")
            assert (pair.one.folder / "sub/c").read_bytes() == b"aaa"
            await pair.other.do(messages.Pull(path="d", to="again"))
            await pair.other.event(PullFinished, path="d")
            assert (pair.other.folder / "again").read_bytes() == b"aaa"

    asyncio.run(run())


def test_a_cut_pull_goes_on_where_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            first, _ = pair.connect()
            data = await share(pair, "big", os.urandom(40 * MIB))
            cut = asyncio.Event()
            loop = asyncio.get_running_loop()

            def cut_after_20() -> None:
                if first.blocks_sent == 20:
                    first.closed = first.other.closed = True
                    loop.call_soon_threadsafe(cut.set)

            first.before_block = cut_after_20
            await pair.other.do(messages.Pull(path="big"))
            await cut.wait()
            await pair.cut()
            first, _ = pair.connect()
            await pair.other.event(PullFinished)
            assert (pair.other.folder / "big").read_bytes() == data
            begins = [event for event in pair.other.events if isinstance(event, PullBegin)]
            assert begins[-1].resumed_bytes >= 15 * MIB
            assert (
                first.blocks_sent <= 41 - 20 + WINDOW
            )  # a block under way at the cut is sent again

    asyncio.run(run())


def test_a_source_that_changes_starts_afresh(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            first, _ = pair.connect()
            await share(pair, "big", os.urandom(20 * MIB))
            new = write(pair.one.folder / "new", os.urandom(20 * MIB))

            def change_after_5() -> None:
                if first.blocks_sent == 5:
                    with contextlib.suppress(FileNotFoundError):  # done by the other thread
                        (pair.one.folder / "new").rename(pair.one.folder / "big")

            first.before_block = change_after_5
            await pair.other.do(messages.Pull(path="big"))
            await pair.other.event(PullRestarted, path="big", reason="source-changed")
            await pair.other.event(PullFinished)
            assert (pair.other.folder / "big").read_bytes() == new

    asyncio.run(run())


def test_a_source_that_changes_while_apart_starts_afresh_too(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path, download_limit=4 * MIB) as pair:
            pair.connect()
            await share(pair, "big", os.urandom(20 * MIB))
            await pair.other.do(messages.Pull(path="big"))
            await pair.other.event(messages.PullProgress)
            await pair.other.do(messages.Cancel(path="big"))
            new = write(pair.one.folder / "big", os.urandom(2 * MIB))
            await pair.one.do(messages.Add(path="big"))
            await pair.other.event(FileChanged, path="big")
            await pair.other.do(messages.Pull(path="big"))
            await pair.other.event(PullFinished)
            assert (pair.other.folder / "big").read_bytes() == new
            told = [event for event in pair.other.events if isinstance(event, PullRestarted)]
            assert [event.reason for event in told] == ["source-changed"]

    asyncio.run(run())


def test_wrong_bytes_are_asked_for_once_more(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            first, _ = pair.connect()
            data = await share(pair, "big", os.urandom(3 * MIB))
            lies = [1]
            first.change_block = lambda block: (
                bytes(len(block)) if len(block) == MIB and lies and lies.pop() else block
            )
            await pair.other.do(messages.Pull(path="big"))
            await pair.other.event(PullFinished)
            assert (pair.other.folder / "big").read_bytes() == data
            first.change_block = lambda block: bytes(len(block)) if len(block) == MIB else block
            await pair.other.do(messages.Pull(path="big", to="again"))
            failed = await pair.other.event(PullFailed)
            assert failed.code == "wrong-bytes"
            assert not (pair.other.folder / "again").exists()

    asyncio.run(run())


def test_targets_that_exist(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            await share(pair, "a", b"new")
            write(pair.other.folder / "a", b"old and longer")
            with pytest.raises(CommandError) as refused:
                await pair.other.do(messages.Pull(path="a"))
            assert refused.value.code == "file-exists"
            await pair.other.do(messages.Pull(path="a", overwrite=True))
            await pair.other.event(PullFinished)
            assert (pair.other.folder / "a").read_bytes() == b"new"
            write(pair.other.folder / "b.part", b"mine")
            with pytest.raises(CommandError) as refused:
                await pair.other.do(messages.Pull(path="a", to="b"))
            assert refused.value.code == "file-exists"
            assert (pair.other.folder / "b.part").read_bytes() == b"mine"
            for path, code in (("nothing", "no-such-file"), ("../a", "unsafe-name")):
                with pytest.raises(CommandError) as refused:
                    await pair.other.do(messages.Pull(path=path))
                assert refused.value.code == code
            with pytest.raises(CommandError) as refused:
                await pair.other.do(messages.Pull(path="a", to="../b"))
            assert refused.value.code == "unsafe-name"

    asyncio.run(run())


def test_cancel_keeps_and_discard_deletes(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path, download_limit=4 * MIB) as pair:
            pair.connect()
            await share(pair, "big", os.urandom(30 * MIB))
            await pair.other.do(messages.Pull(path="big"))
            await pair.other.event(messages.PullProgress)
            kept = await pair.other.do(messages.Cancel(path="big"), messages.CancelResult)
            assert kept.kept_bytes > 0
            await pair.other.event(PullFailed, code="cancelled")
            part = pair.other.folder / "big.part"
            assert part.exists()
            await pair.other.do(messages.Pull(path="big"))
            begin = await pair.other.event(PullBegin, resumed_bytes=kept.kept_bytes)
            assert begin.resumed_bytes == kept.kept_bytes
            await pair.other.do(messages.Discard(path="big"))
            assert not part.exists()
            with pytest.raises(CommandError) as refused:
                await pair.other.do(messages.Cancel(path="big"))
            assert refused.value.code == "no-such-pull"

    asyncio.run(run())


def test_a_file_that_its_disk_cannot_read_is_reported_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            await share(pair, "a.bin", os.urandom(5 * MIB))
            monkeypatch.setattr(serve, "read_at", fail)
            await pair.other.do(messages.Pull(path="a.bin"))
            assert (await pair.other.event(PullFailed)).code == "unreadable"

    asyncio.run(run())
    assert capsys.readouterr().err == (
        "pair-cli: a.bin cannot be sent: [Errno 5] Input/output error\n"
    )


def test_a_defect_in_the_serving_thread_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[BaseException] = []
    came = threading.Event()

    def record(error: BaseException) -> None:
        printed.append(error)
        came.set()

    def fail(*_: object) -> bool:
        raise KeyError("a defect")

    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            await share(pair, "a.bin", b"x")
            monkeypatch.setattr(serve, "read_at", fail)
            monkeypatch.setattr("traceback.print_exception", record)
            await pair.other.do(messages.Pull(path="a.bin"))
            assert await asyncio.to_thread(came.wait, WAIT_S)

    asyncio.run(run())
    assert [str(error) for error in printed] == ["'a defect'"]
