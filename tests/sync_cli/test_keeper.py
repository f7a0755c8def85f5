"""When a folder, or a path in it that was not still, is looked at again."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import cast

import pytest

from sync_cli import keeper
from sync_cli.database import IndexTrouble
from sync_cli.folder import Folder
from sync_cli.keeper import Keeper, Retries


def turns(retries: Retries, path: bytes, count: int) -> list[float]:
    """Return when a path that never becomes still is looked at."""
    found: list[float] = []
    while len(found) < count:
        now = retries.next_at()
        retries.set_paths([path], now)
        if path in retries.due(now):
            found.append(now)
            retries.put_off([path], now)
    return found


def test_a_path_that_stays_is_looked_at_less_and_less_often() -> None:
    retries = Retries()
    retries.set_paths([b"busy"], 0)
    assert turns(retries, b"busy", 8) == pytest.approx(
        [0.03, 0.09, 0.21, 0.45, 0.93, 1.89, 3.81, 5.81]
    )


def test_a_new_path_does_not_wait_as_long_as_an_old_one() -> None:
    retries = Retries()
    retries.set_paths([b"busy"], 0)
    last = turns(retries, b"busy", 8)[-1]
    retries.set_paths([b"busy", b"new"], last)
    assert retries.next_at() == pytest.approx(last + 0.03)
    assert retries.due(last + 0.03) == {b"new"}


def test_a_path_that_changes_again_begins_anew() -> None:
    retries = Retries()
    retries.set_paths([b"busy"], 0)
    last = turns(retries, b"busy", 8)[-1]
    retries.forget([b"busy", b"other"])
    retries.set_paths([b"busy"], last)
    assert retries.next_at() == pytest.approx(last + 0.03)


def test_nothing_is_due_when_all_is_still() -> None:
    retries = Retries()
    retries.set_paths([b"busy"], 0)
    retries.set_paths([], 1)
    assert retries.due(9) == set()
    assert retries.next_at() == float("inf")


def test_the_pause_begins_when_a_long_look_ends() -> None:
    retries = Retries()
    retries.set_paths([b"large"], 0)
    assert retries.due(1) == {b"large"}
    retries.put_off([b"large"], 100)
    assert retries.next_at() == pytest.approx(100.06)


class Growing:
    """A folder that is looked at 20 times. It gets many files after its first scan."""

    tree = None

    def __init__(self, loop: asyncio.AbstractEventLoop, *, is_countable: bool) -> None:
        self.ended = asyncio.Event()
        self.scans = 0
        self._loop = loop
        self._is_countable = is_countable
        self._looks = self._counts = 0

    def is_reachable(self) -> bool:
        self._looks += 1
        if self._looks == 20:
            self._loop.call_soon_threadsafe(self.ended.set)
        return True

    def scan(self, paths: Collection[bytes] | None) -> None:
        self.scans += paths is None

    def restless(self) -> frozenset[bytes]:
        return frozenset()

    def expire(self, connected: Collection[str]) -> None:
        pass

    def totals(self) -> tuple[int, int]:
        if not self._is_countable:
            raise IndexTrouble("It is closed.")
        self._counts += 1
        return (0 if self._counts == 1 else 1 << 40), 0


async def scans_of(monkeypatch: pytest.MonkeyPatch, *, is_countable: bool) -> int:
    """Return how often such a folder is scanned by a keeper that does not wait."""
    for name in ("_LOOK_S", "_BLIND_RESCAN_S"):
        monkeypatch.setattr(keeper, name, 0.0)
    monkeypatch.setattr("sync_cli.keeper.time.thread_time", lambda: 0.0)
    folder = Growing(asyncio.get_running_loop(), is_countable=is_countable)
    running = asyncio.create_task(Keeper(cast("Folder", folder)).run())
    async with asyncio.timeout(10):
        await folder.ended.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return folder.scans


def test_files_that_came_since_the_last_scan_put_off_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asyncio.run(scans_of(monkeypatch, is_countable=True)) == 1


def test_scans_go_on_when_the_files_cannot_be_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asyncio.run(scans_of(monkeypatch, is_countable=False)) > 1
    assert "The files cannot be counted" in capsys.readouterr().err
