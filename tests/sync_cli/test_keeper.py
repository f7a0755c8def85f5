"""When a path that was not still is looked at again."""

import pytest

from sync_cli.keeper import Retries


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
