"""Commands about files that are refused, or change how files pass."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headless.envelope import Command, CommandError
from pair_cli import messages
from pair_cli.files.commands import command_error
from pair_cli.files.target import NameClash, check_target
from tests.pair_cli.fake_channel import fake_pair

MIB = 1 << 20


@pytest.mark.parametrize(
    ("command", "code", "errno"),
    [
        (messages.WaitFile(path="nowhere", timeout_ms=10), "timeout", "ETIMEDOUT"),
        (messages.WaitFile(path="own", timeout_ms=10), "timeout", "ETIMEDOUT"),
        (messages.WaitFile(path="own", timeout_ms=-1), "bad-argument", None),
        (messages.Pull(path="own"), "already-local", "EEXIST"),
        (messages.Cancel(path="own"), "no-such-pull", "ENOENT"),
        (messages.Discard(path="own"), "no-such-pull", "ENOENT"),
        (messages.Remove(path="nowhere"), "no-such-file", "ENOENT"),
        (messages.Rename(path="nowhere", to="x"), "no-such-file", "ENOENT"),
        (messages.Rename(path="own", to="second"), "file-exists", "EEXIST"),
        (messages.Rename(path="own", to="../x"), "unsafe-name", "EINVAL"),
        (messages.Add(path="link"), "not-a-file", "ELOOP"),
        (messages.SetLimits(upload="fast"), "bad-argument", None),
    ],
)
def test_refusals(tmp_path: Path, command: Command, code: str, errno: str | None) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            for name in ("own", "second"):
                (pair.one.folder / name).write_bytes(b"x")
                await pair.one.do(messages.Add(path=name))
            (pair.one.folder / "link").symlink_to("own")
            with pytest.raises(CommandError) as refused:
                await pair.one.do(command)
            assert (refused.value.code, refused.value.errno) == (code, errno)

    asyncio.run(run())


def test_limits_are_in_force_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path, download_limit=MIB) as pair:
            pair.connect()
            (pair.one.folder / "big").write_bytes(os.urandom(40 * MIB))
            await pair.one.do(messages.Add(path="big"))
            await pair.other.do(messages.WaitFile(path="big", timeout_ms=10_000))
            await pair.other.do(messages.Pull(path="big"))
            await pair.other.event(messages.PullProgress)
            told = await pair.other.do(messages.SetLimits(), messages.SetLimitsResult)
            assert told.limits == messages.Limits(upload=None, download=None)
            # With the limit it would take 40 seconds, and the wait is shorter.
            await pair.other.event(messages.PullFinished)
            told = await pair.other.do(messages.SetLimits(upload="2KiB"), messages.SetLimitsResult)
            assert told.limits == messages.Limits(upload=2048, download=None)

    asyncio.run(run())


def test_two_names_that_a_disk_takes_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "A").write_bytes(b"first")
    on_disk: Callable[[Path], os.stat_result] = Path.lstat

    def ignoring_case(path: Path) -> os.stat_result:
        return on_disk(path.with_name(path.name.upper()))

    monkeypatch.setattr(Path, "lstat", ignoring_case)
    for overwrite in (True, False):
        with pytest.raises(NameClash) as refused:
            check_target(tmp_path / "a", overwrite=overwrite)
        told = command_error(refused.value)
        assert (told.code, told.errno) == ("name-clash", "EEXIST")
    assert (tmp_path / "A").read_bytes() == b"first"
