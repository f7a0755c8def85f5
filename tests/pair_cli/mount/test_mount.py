"""The mounted tree, by real mounts over a fake channel."""

import asyncio
import errno
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from headless.envelope import CommandError
from pair_cli import messages
from tests.pair_cli.fake_channel import FakePair, fake_pair

MIB = 1 << 20
T = TypeVar("T")


def can_mount() -> bool:
    return os.access("/dev/fuse", os.R_OK | os.W_OK) and bool(shutil.which("fusermount3"))


pytestmark = pytest.mark.skipif(not can_mount(), reason="there is no /dev/fuse here")


@asynccontextmanager
async def mounted_pair(
    home: Path, **settings: object
) -> AsyncIterator[tuple[FakePair, Path, Path]]:
    """Two connected peers, each with the tree mounted."""
    async with fake_pair(home, **settings) as pair:
        pair.connect()
        places = home / "alpha-mount", home / "bravo-mount"
        for peer, place in zip((pair.one, pair.other), places, strict=True):
            place.mkdir()
            await peer.do(messages.Mount(path=str(place)))
        try:
            yield pair, *places
        finally:
            for place in places:
                await do(partial(subprocess.run, ["fusermount3", "-uzq", str(place)], check=False))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def do(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def test_what_one_writes_the_other_reads(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, here, there):
            data = os.urandom(3 * MIB + 5)
            await do(lambda: (here / "a.bin").write_bytes(data))
            await pair.other.do(messages.WaitFile(path="a.bin", timeout_ms=10_000))
            assert await do(lambda: names(there)) == ["a.bin"]
            assert await do(lambda: (there / "a.bin").stat().st_size) == len(data)
            assert await do(lambda: (there / "a.bin").read_bytes()) == data
            assert (pair.one.folder / "a.bin").read_bytes() == data

    asyncio.run(run())


def test_the_other_side_changes_a_file(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, here, there):
            await do(lambda: (here / "a").write_bytes(b"one" * MIB))
            await pair.other.do(messages.WaitFile(path="a", timeout_ms=10_000))

            def append() -> None:
                with (there / "a").open("ab") as file:
                    file.write(b"more")

            await do(append)
            await pair.one.do(messages.WaitFile(path="a", timeout_ms=10_000))
            assert await do(lambda: (here / "a").read_bytes()) == b"one" * MIB + b"more"
            assert (pair.one.folder / "a").read_bytes() == b"one" * MIB
            await do(lambda: (here / "a").write_bytes(b"short"))
            await pair.other.do(messages.WaitFile(path="a", timeout_ms=10_000))
            assert await do(lambda: (there / "a").read_bytes()) == b"short"
            assert (pair.one.folder / "a~").read_bytes() == b"one" * MIB

    asyncio.run(run())


def test_names(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, here, there):

            def work() -> None:
                (here / "d/e").mkdir(parents=True)
                (here / "d/e/f").write_text("f")
                (here / "d/g").write_text("g")
                (here / "d/e/f").rename(here / "h")
                (here / "d/g").unlink()
                assert names(here / "d") == ["e"]
                (here / "d/e").rmdir()
                with pytest.raises(OSError, match="exists"):
                    (here / "d").mkdir()
                with pytest.raises(PermissionError):
                    (here / "l").symlink_to("h")
                with pytest.raises(PermissionError):
                    (here / "l").hardlink_to(here / "h")
                with pytest.raises(OSError, match="Invalid"):
                    (here / "a\nb").write_text("")
                assert os.statvfs(here).f_blocks == os.statvfs(pair.one.folder).f_blocks
                os.utime(here / "h", ns=(5, 7_000_000_001))
                (here / "h").chmod(0o750)

            await do(work)
            await pair.other.do(messages.WaitFile(path="h", timeout_ms=10_000))
            while True:
                seen = await do(lambda: (there / "h").stat())
                if (seen.st_mtime_ns, seen.st_mode & 0o777) == (7_000_000_001, 0o750):
                    break
            assert sorted(await do(lambda: names(there))) == ["d", "h"]
            assert await do(lambda: names(there / "d")) == []
            assert await do(lambda: (there / "h").read_text()) == "f"

    asyncio.run(run())


def test_random_reads(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, _, there):
            data = os.urandom(int(6.3 * MIB))
            (pair.one.folder / "noise").write_bytes(data)
            await pair.one.do(messages.Add(path="noise"))
            await pair.other.do(messages.WaitFile(path="noise", timeout_ms=10_000))

            def read() -> None:
                dice = random.Random(4)
                with (there / "noise").open("rb", buffering=0) as file:
                    for _ in range(200):
                        start, size = dice.randrange(len(data)), dice.randrange(300_000)
                        file.seek(start)
                        assert file.read(size) == data[start : start + size]

            await do(read)

    asyncio.run(run())


def test_the_other_is_away(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, _, there):
            (pair.one.folder / "a").write_bytes(os.urandom(30 * MIB))
            await pair.one.do(messages.Add(path="a"))
            await pair.other.do(messages.WaitFile(path="a", timeout_ms=10_000))
            await pair.cut()

            def read() -> int:
                with (
                    (there / "a").open("rb") as file,
                    pytest.raises(OSError, match="Input/output") as failed,
                ):
                    file.read()
                assert failed.value.errno is not None
                return failed.value.errno

            began = asyncio.get_running_loop().time()
            assert await do(read) == errno.EIO
            assert asyncio.get_running_loop().time() - began < 10

    asyncio.run(run())


@pytest.mark.parametrize(("size", "kept"), [(8 * MIB, True), (40 * MIB, False)])
def test_what_was_read_is_kept_within_bounds(tmp_path: Path, size: int, kept: bool) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path, cache_bytes=16 * MIB) as (pair, _, there):
            data = os.urandom(size)
            (pair.one.folder / "a").write_bytes(data)
            await pair.one.do(messages.Add(path="a"))
            await pair.other.do(messages.WaitFile(path="a", timeout_ms=10_000))
            for _ in range(2):
                assert await do(lambda: (there / "a").read_bytes()) == data
            blocks = size // MIB
            hashes = 2  # of each reader; they come as a block too
            sent = pair.channels[0].blocks_sent - hashes
            assert sent == blocks if kept else sent >= 2 * blocks - 16

    asyncio.run(run())


def test_wrong_bytes_are_never_read(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, _, there):
            (pair.one.folder / "a").write_bytes(os.urandom(2 * MIB))
            await pair.one.do(messages.Add(path="a"))
            await pair.other.do(messages.WaitFile(path="a", timeout_ms=10_000))
            lie = pair.channels[0]
            lie.change_block = lambda block: bytes(len(block)) if len(block) == MIB else block
            with pytest.raises(OSError, match="Input/output"):
                await do(lambda: (there / "a").read_bytes())

    asyncio.run(run())


def test_busy(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, here, _):
            await do(lambda: (here / "a").write_text("a"))
            file = await do(lambda: (here / "a").open())
            with pytest.raises(CommandError) as refused:
                await pair.one.do(messages.Unmount())
            assert (refused.value.code, refused.value.errno) == ("mount-busy", "EBUSY")
            await do(file.close)
            await pair.one.do(messages.Unmount())
            await pair.one.event(messages.Unmounted, path=str(here))
            assert await do(lambda: names(here)) == []

    asyncio.run(run())


def test_where_nothing_can_be_mounted(tmp_path: Path) -> None:
    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, here, there):
            (tmp_path / "full").mkdir()
            (tmp_path / "full/file").write_text("")
            (pair.one.folder / "inside").mkdir()
            for place, code, number in (
                (tmp_path / "full", "mount-failed", "ENOTEMPTY"),
                (tmp_path / "nowhere", "mount-failed", "ENOENT"),
                (tmp_path / "full/file", "mount-failed", "ENOTDIR"),
                (pair.one.folder / "inside", "mount-failed", "EINVAL"),
                (here, "already-mounted", "EBUSY"),
                (there, "already-mounted", "EBUSY"),  # by the other
            ):
                before = len(pair.one.events)
                with pytest.raises(CommandError) as refused:
                    await pair.one.do(messages.Mount(path=str(place)))
                assert (refused.value.code, refused.value.errno) == (code, number), place
                failed = await pair.one.event(messages.MountFailed, before, path=str(place))
                assert (failed.code, failed.errno) == (code, number)
            with pytest.raises(CommandError) as refused:
                await pair.one.do(messages.Unmount(path=str(there)))
            assert refused.value.code == "not-mounted"

    asyncio.run(run())


PROGRAMS = {
    "git": """
        git init -q origin && cd origin && git config user.name a && git config user.email a@b
        for n in 1 2 3; do echo $n > f$n; git add f$n; git commit -qm $n; done
        cd .. && git clone -q origin "$MOUNT/clone" && cd "$MOUNT/clone"
        test -z "$(git status --porcelain)" && echo new > f1
        test "$(git status --porcelain)" = " M f1"
        git -c user.name=a -c user.email=a@b commit -qam new && git fsck --strict && git gc -q
    """,
    "sqlite3": """
        cd "$MOUNT" && sqlite3 d.db "create table t(x); insert into t values (1);"
        sqlite3 d.db "pragma journal_mode=wal; insert into t select x + 1 from t;" > /dev/null
        test "$(sqlite3 d.db 'select sum(x) from t; pragma integrity_check')" = "3
ok"
    """,
    "tar": """
        mkdir -p t/a/b && head -c 300000 /dev/urandom > t/a/b/c
        tar -cf t.tar t && tar -xf t.tar -C "$MOUNT" && diff -r t "$MOUNT/t"
        tar -cf "$MOUNT/t2.tar" -C "$MOUNT" t && tar -tf "$MOUNT/t2.tar" > /dev/null
    """,
    "rsync": """
        mkdir -p r/a && head -c 300000 /dev/urandom > r/a/b && echo x > r/c && chmod +x r/c
        rsync -a r/ "$MOUNT/r/" && diff -r r "$MOUNT/r" && echo y >> r/c && rsync -a r/ "$MOUNT/r/"
        test -z "$(rsync -ani r/ "$MOUNT/r/")"
    """,
    "sh": """
        cd "$MOUNT" && echo one > e && echo two > .e.swp && mv e e~ && mv .e.swp e && rm e~
        test "$(cat e)" = two && test "$(ls -A)" = e
        echo old > n && echo new > m && mv -n m n; test "$(cat n)" = old
    """,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_work_on_it(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")

    async def run() -> None:
        async with mounted_pair(tmp_path) as (pair, here, there):
            work = tmp_path / "work"
            work.mkdir()
            done = await do(
                lambda: subprocess.run(
                    ["sh", "-exc", PROGRAMS[program]],
                    cwd=work,
                    env={**os.environ, "MOUNT": str(here)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
            )
            assert done.returncode == 0, done.stdout + done.stderr
            await do(lambda: (here / "last").write_text(""))
            await pair.other.do(messages.WaitFile(path="last", timeout_ms=10_000))
            compared = await do(
                lambda: subprocess.run(
                    ["diff", "-r", str(here), str(there)],
                    capture_output=True,
                    text=True,
                    check=False,
                )
            )
            assert compared.returncode == 0, compared.stdout + compared.stderr

    asyncio.run(run())
