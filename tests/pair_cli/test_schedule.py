"""When to try what."""

from itertools import islice

from pair_cli.schedule import grace, pause_before, polls, upgrades


def test_pauses_double_up_to_half_a_minute_and_differ() -> None:
    for attempt, pause_s in enumerate((1, 2, 4, 8, 16, 30, 30, 30, 30, 30), 1):
        pauses = {pause_before(attempt) for _ in range(100)}
        assert 0.8 * pause_s <= min(pauses) < max(pauses) <= min(1.2 * pause_s, 30)


def test_one_side_dials_first() -> None:
    assert grace(lower=False, again=False) < grace(lower=True, again=False)
    assert grace(lower=True, again=True) < grace(lower=False, again=True)


def test_a_peer_that_is_not_there_is_looked_for_less_often_than_guesses_are_counted() -> None:
    assert list(islice(polls(), 6)) == [0.25, 0.5, 1, 2, 4, 4]
    assert list(islice(upgrades(), 7)) == [2, 4, 8, 16, 30, 60, 60]
