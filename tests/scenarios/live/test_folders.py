"""The folders of live nodes."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scenarios.core import locks
from scenarios.live import folders


@pytest.fixture(autouse=True)
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folders, "LIVE", tmp_path / "live")
    return tmp_path / "live"


def test_what_nobody_holds_is_removed(live: Path) -> None:
    (live / "alpha-1").mkdir(parents=True)
    (live / "alpha-1" / folders.LOCK).touch()
    with folders.private_folder("bravo") as own:
        assert list(live.glob("*-*")) == [own]
        assert folders.remove_abandoned() == []
        assert own.exists()
    assert list(live.glob("*-*")) == []


def test_a_folder_is_not_removed_before_its_node_holds_it(
    live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = threading.Thread(target=folders.remove_abandoned)

    @contextmanager
    def slowly(lock: Path) -> Iterator[None]:
        if lock.parent == live:
            with locks.exclusive(lock):
                yield
            return
        with lock.open("w") as handle:
            other.start()
            other.join(0.5)  # by then another node would have removed it
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    monkeypatch.setattr(folders, "exclusive", slowly)
    with folders.private_folder("alpha") as own:
        other.join()
        assert own.exists()


def test_where_no_node_was_live_there_is_nothing_to_remove(live: Path) -> None:
    assert folders.remove_abandoned() == []
    assert not live.exists()
