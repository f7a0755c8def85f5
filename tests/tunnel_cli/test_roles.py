from hypothesis import given
from hypothesis import strategies as st

from tunnel_cli import roles
from tunnel_cli.roles import Change, State


def online(*ids: int, active: int, settled: bool = True) -> State:
    return State(frozenset(ids), frozenset(), active, settled)


def test_the_first_client_is_active() -> None:
    change = roles.joined(State(), 2)
    assert (change.state.active, change.reason, change.failover) == (2, "first", False)


def test_a_lower_id_takes_over_while_no_data_was_seen_and_costs_nothing() -> None:
    change = roles.joined(online(2, active=2, settled=False), 1)
    assert (change.state.active, change.reason, change.failover) == (1, "first", False)


def test_a_returning_client_stands_by() -> None:
    change = roles.joined(online(2, active=2), 1)
    assert (change.state.active, change.reason) == (2, None)


def test_first_data_of_a_standby_s_listener_is_a_failover() -> None:
    change = roles.carried_data(online(1, 2, active=1), 2, of_its_listener=True)
    assert (change.state.active, change.reason, change.failover) == (2, "data", True)
    assert change.state.waiting


def test_data_of_the_server_s_listeners_changes_nothing_but_that_it_was_seen() -> None:
    change = roles.carried_data(online(1, 2, active=1, settled=False), 2, of_its_listener=False)
    assert change == Change(online(1, 2, active=1))


def test_loss_of_the_active_is_a_failover_to_the_lowest_id() -> None:
    change = roles.left(online(1, 2, 3, active=1), 1)
    assert (change.state.active, change.reason, change.failover) == (2, "lost", True)


def test_loss_of_the_last_leaves_none_and_its_return_makes_it_active_at_once() -> None:
    change = roles.left(online(1, active=1), 1)
    assert (change.state.active, change.reason, change.failover) == (None, "lost", False)
    again = roles.joined(change.state, 1)
    assert (again.state.active, again.reason, again.failover) == (1, "first", False)


def test_draining_hands_over_without_a_failover() -> None:
    change = roles.drain(online(1, 2, active=1), 1)
    assert (change.state.active, change.reason, change.failover) == (2, "command", False)
    data = roles.carried_data(change.state, 1, of_its_listener=True)
    assert data.state.active == 2


def test_activating_the_active_is_nothing() -> None:
    state = online(1, 2, active=1)
    assert roles.activate(state, 1) == Change(state)
    assert roles.activate(state, 2).failover


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["join", "leave", "data", "activate", "drain", "wait"]), st.integers(1, 4)
    )
)


@given(STEPS)
def test_the_active_is_always_one_that_can_be(steps: list[tuple[str, int]]) -> None:
    state = State()
    for step, client in steps:
        before = state
        match step:
            case "join" if client not in state.online:
                change = roles.joined(state, client)
            case "leave" if client in state.online:
                change = roles.left(state, client)
            case "data" if client in state.online:
                change = roles.carried_data(state, client, of_its_listener=True)
            case "activate" if client in state.eligible:
                change = roles.activate(state, client)
            case "drain" if client in state.online:
                change = roles.drain(state, client)
            case "wait":
                change = roles.waited(state)
            case _:
                continue
        state = change.state
        assert (state.active is None) == (not state.eligible)
        assert state.active is None or state.active in state.eligible
        assert (change.reason is not None) == (state.active != before.active)
        assert change.failover <= state.waiting
