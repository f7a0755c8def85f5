"""When the next ping is due, and when a silence has lasted too long."""

import pytest

from network.heartbeat import PING_INTERVAL_S, pause_s, until_ping_s


@pytest.mark.parametrize(
    ("silent_s", "wanted"),
    [(0.0, 5.0), (4.99, 5.0), (10.0, 5.0), (10.01, 4.99), (14.99, 0.01), (15.0, 5.0), (40.0, 5.0)],
)
def test_a_silence_is_noticed_when_it_has_lasted_too_long(silent_s: float, wanted: float) -> None:
    assert pause_s(5.0, 15.0, silent_s) == pytest.approx(wanted)


@pytest.mark.parametrize("now_s", [0.0, 7.0, 7.25, 7.999, 123456.5])
def test_all_sessions_ping_at_the_same_moments(now_s: float) -> None:
    wait_s = until_ping_s(now_s)
    assert 0 < wait_s <= PING_INTERVAL_S
    moment = (now_s + wait_s) / PING_INTERVAL_S
    assert moment == pytest.approx(round(moment))
