from hypothesis import given
from hypothesis import strategies as st

from tunnel_cli.credit import WORKING_CREDIT, Budget, ReceiveWindow
from tunnel_cli.wire import INITIAL_CREDIT

MIB = 1 << 20


def flood(window: ReceiveWindow, limit: int) -> int:
    """Send as much as there is credit for, up to a limit, to a reader that takes nothing."""
    sent = 0
    while sent < limit:
        count = min(window.granted - window.received, limit - sent)
        if count == 0 and window.grant() == 0:
            return sent
        assert window.take(count)
        sent += count
        window.grant()
    return sent


def test_who_carries_little_holds_little() -> None:
    window = ReceiveWindow(Budget(256 * MIB), 128 * MIB)
    for _ in range(40):
        assert window.take(500)
        window.hand_on(500)
        window.grant()
    assert window.budget.granted <= 4 * INITIAL_CREDIT


def test_a_reader_that_keeps_up_gets_working_credit() -> None:
    window = ReceiveWindow(Budget(256 * MIB), 128 * MIB)
    for _ in range(100):
        count = window.granted - window.received
        window.take(count)
        window.hand_on(count)
        window.grant()
    assert window.granted - window.received == WORKING_CREDIT


def test_a_hundred_megabytes_may_wait_for_a_reader() -> None:
    window = ReceiveWindow(Budget(256 * MIB), 128 * MIB)
    assert flood(window, 100 * MIB) == 100 * MIB


def test_no_more_than_the_window_waits() -> None:
    window = ReceiveWindow(Budget(1024 * MIB), 8 * MIB)
    assert flood(window, 100 * MIB) == 8 * MIB


def test_all_together_keep_to_the_budget_and_none_starves() -> None:
    budget = Budget(16 * MIB)
    windows = [ReceiveWindow(budget, 128 * MIB) for _ in range(50)]
    waiting = sum(flood(window, 100 * MIB) for window in windows)
    assert waiting <= budget.limit + len(windows) * INITIAL_CREDIT
    late = ReceiveWindow(budget, 128 * MIB)
    for _ in range(20):  # slowly, but it goes on
        count = late.granted - late.received
        assert count > 0
        late.take(count)
        late.hand_on(count)
        late.grant()


def test_more_than_was_granted_is_noticed() -> None:
    window = ReceiveWindow(Budget(MIB), MIB)
    assert window.take(INITIAL_CREDIT)
    assert not window.take(1)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from("sgh"), st.integers(1, 3 * MIB)), max_size=200
    )
)
def test_the_budget_is_what_the_streams_hold(steps: list[tuple[int, str, int]]) -> None:
    budget = Budget(8 * MIB)
    windows = [ReceiveWindow(budget, 4 * MIB) for _ in range(5)]
    for index, step, amount in steps:
        window = windows[index]
        if step == "s":
            window.take(min(amount, window.granted - window.received))
        elif step == "h":
            window.hand_on(min(amount, window.buffered))
        else:
            window.grant()
        held = [max(0, one.outstanding - INITIAL_CREDIT) for one in windows]
        assert budget.granted == sum(held) <= budget.limit
        assert all(one.outstanding <= max(one.window, INITIAL_CREDIT) for one in windows)
    for window in windows:
        window.close()
    assert budget.granted == 0
