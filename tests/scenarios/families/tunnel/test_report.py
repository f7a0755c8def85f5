"""What the report is told of tunnels: who was active, failovers, listeners, streams, links."""

from scenarios.families.tunnel.report.activity import STREAMS_SHOWN, bars, connections
from scenarios.families.tunnel.report.flows import transfers
from scenarios.family.story import NodeLines
from tests.scenarios.report.recorded_run import Said, event, events, lines


def active(at: float, client: int | None, reason: str = "data") -> Said:
    return event(at, "active-changed", client_id=client, previous=None, reason=reason)


def listener(at: float, what: str) -> Said:
    return event(at, f"listener-{what}", tunnel="web", port=1)


def stream(at: float, client: int, number: int, **closed: object) -> Said:
    what = "closed" if closed else "opened"
    return event(at, f"stream-{what}", stream=number, client_id=client, tunnel="web", **closed)


def ready(at: float, role: str, addr: str | None = None) -> Said:
    return event(at, "tunnel-ready", role=role, addr=addr)


def test_a_failover_is_a_bar_and_so_is_who_is_active() -> None:
    found = bars(
        "server",
        events(
            active(1.0, 1, "first"),
            event(2.0, "failover-begin", client_id=2),
            active(2.0, 2),
            event(2.5, "failover-begin", client_id=1),
            active(2.5, 1),
            event(4.0, "failover-finished", client_id=1),
            active(5.0, None, "lost"),
        ),
    )
    assert [(bar.operation, bar.item, bar.begin, bar.end, bar.outcome) for bar in found] == [
        ("Active", "client 1", 1.0, 2.0, "data"),
        ("Failover", "client 2", 2.0, 2.5, "another one"),
        ("Active", "client 2", 2.0, 2.5, "data"),
        ("Failover", "client 1", 2.5, 4.0, "finished"),
        ("Active", "client 1", 2.5, 5.0, "lost"),
    ]


def test_listeners_are_bars_while_they_are_open() -> None:
    found = bars(
        "server",
        events(
            *(listener(1.0, "opened"), listener(2.0, "closed"), listener(3.0, "opened")),
            event(5.0, "link-lost"),
        ),
    )
    assert [(bar.item, bar.begin, bar.end, bar.outcome, bar.line) for bar in found] == [
        ("web", 1.0, 2.0, "closed", 1),
        ("web", 3.0, 5.0, "", 3),
    ]


def test_what_a_node_is_to_its_end_is_not_called_unfinished() -> None:
    begun = (active(1.0, 1), event(1.5, "failover-begin", client_id=1), stream(2.0, 1, 1))
    [*lasting, unfinished] = bars("server", events(*begun))
    assert [(bar.end, bar.outcome) for bar in lasting] == [(2.0, ""), (2.0, "")]
    assert unfinished.end is None


def test_streams_that_carried_nothing_are_no_part_of_what_came() -> None:
    closed = {"bytes_out": 1, "reason": "closed"}
    [found] = transfers(
        "server",
        events(
            ready(0.5, "server"),
            *(stream(1.0, 1, 1), stream(2.0, 1, 1, bytes_in=0, **closed)),
            *(stream(3.0, 1, 3), stream(4.0, 1, 3, bytes_in=7, **closed)),
        ),
        {},
    )
    assert [file.path for file in found.files] == ["web/client 1, stream 3"]
    assert found.told_at_end


def test_streams_of_two_clients_with_the_same_number_are_two_bars() -> None:
    found = bars(
        "server",
        events(
            stream(1.0, 1, 2),
            stream(1.1, 2, 2),
            stream(1.5, 2, 2, bytes_in=3, bytes_out=4, reason="closed"),
            stream(1.6, 1, 2, bytes_in=3, bytes_out=4, reason="failover"),
        ),
    )
    assert [(bar.begin, bar.end, bar.outcome) for bar in found] == [
        (1.0, 1.6, "failover"),
        (1.1, 1.5, "closed"),
    ]


def test_of_very_many_streams_only_some_are_bars() -> None:
    many = [stream(number / 1000, 1, number) for number in range(STREAMS_SHOWN + 50)]
    assert len(bars("server", events(*many))) == STREAMS_SHOWN


def test_what_came_through_a_tunnel_is_told_by_client() -> None:
    [found] = transfers(
        "server",
        events(
            ready(0.5, "server", "10.0.0.1:80"),
            stream(1.0, 1, 1),
            stream(2.0, 1, 1, bytes_in=30, bytes_out=1, reason="closed"),
            stream(3.0, 2, 1),
            stream(4.0, 2, 1, bytes_in=70, bytes_out=1, reason="closed"),
        ),
        {},
    )
    assert (found.item, found.begin, found.end, found.total_bytes) == ("web", 1.0, 4.0, 100)
    assert found.by_source == {"client-1": 30, "client-2": 70}
    assert [file.pieces[0].source for file in found.files] == ["client-1", "client-2"]


def test_a_client_s_bytes_came_from_the_server_and_empty_tunnels_are_left_out() -> None:
    carried = (stream(1.0, 1, 1), stream(2.0, 1, 1, bytes_in=5, bytes_out=0, reason="closed"))
    [found] = transfers("client-1", events(ready(0.5, "client"), *carried), {})
    assert found.by_source == {"server": 5}
    idle = (stream(1.0, 1, 1), stream(2.0, 1, 1, bytes_in=0, bytes_out=9, reason="closed"))
    assert transfers("client-1", events(ready(0.5, "client"), *idle), {}) == []


def test_a_link_joins_a_client_and_the_server_that_it_names() -> None:
    said = {
        "server": [ready(0.1, "server", "10.0.0.1:80")],
        "stale": [ready(0.1, "server", "10.0.0.2:80")],
        "client-1": [ready(0.2, "client"), event(0.3, "link-restored", addr="10.0.0.1:80")],
        "client-2": [ready(0.2, "client"), event(0.4, "link-restored", addr="10.0.0.9:80")],
    }
    found = connections(
        [NodeLines(label, "", lines(*of_node)) for label, of_node in said.items()],
        {label: events(*of_node, node=label) for label, of_node in said.items()},
        {},
    )
    assert [(one.source, one.target, one.at) for one in found] == [
        ("client-1", "server", 0.3),
        ("client-2", "stale", 0.4),  # behind a relay: any server is as good as another
    ]


def test_a_hostile_node_s_fields_of_wrong_types_are_taken_for_empty() -> None:
    odd = events(
        event(1.0, "stream-opened", stream="x", client_id=[], tunnel=7),
        event(2.0, "stream-closed", stream="x", client_id=[], tunnel=7, bytes_in="much"),
        event(3.0, "active-changed", client_id="two"),
        event(4.0, "tunnel-ready", role=4, addr={}),
        event(5.0, "link-restored", addr=[]),
    )
    assert [bar.operation for bar in bars("server", odd)] == ["Stream", "Active"]
    assert transfers("server", odd, {}) == []
    assert connections([], {"server": odd}, {}) == []
