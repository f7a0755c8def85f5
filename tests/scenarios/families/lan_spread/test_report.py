"""What the report is told of peers: their transfers, operations and meetings."""

import pytest

from scenarios.core.log import Line
from scenarios.families.lan_spread.report.activity import bars, connections
from scenarios.families.lan_spread.report.provenance import transfers
from scenarios.family.story import NodeLines
from tests.scenarios.report.recorded_run import (
    chunk,
    event,
    events,
    lines,
    operations,
    ready,
    told,
)

NAMES = {"id-alpha": "alpha", "id-bravo": "bravo"}


def node(label: str, found: list[Line]) -> NodeLines:
    return NodeLines(label, f"S1/{label}.jsonl", found)


def test_a_chunk_of_two_sources_has_a_piece_of_each() -> None:
    (found,) = transfers(
        "client",
        events(
            operations(1.0, ggoo="Downloading"),
            event(1.1, "download-begin", game_id="ggoo", total_bytes=8, sources=[]),
            chunk(1.2, "ggoo/a.eti", 0, ("alpha", 3), ("bravo", 5)),
            event(1.3, "download-finished", game_id="ggoo"),
        ),
        NAMES,
    )
    assert found.by_source == {"alpha": 3, "bravo": 5}
    assert [(p.source, p.offset, p.length, p.at, p.line) for p in found.files[0].pieces] == [
        ("alpha", 0, 3, 1.2, 3),
        ("bravo", 3, 5, 1.2, 3),
    ]
    assert (found.begin, found.end, found.outcome) == (1.0, 1.3, "download-finished")


def test_bytes_that_came_twice_are_marked() -> None:
    (found,) = transfers(
        "client",
        events(
            chunk(1.0, "ggoo/a.eti", 0, ("alpha", 4)),
            chunk(1.1, "ggoo/a.eti", 4, ("alpha", 4)),
            chunk(1.2, "ggoo/a.eti", 2, ("bravo", 4)),
            chunk(1.3, "ggoo/b.eti", 2, ("bravo", 4)),
        ),
        NAMES,
    )
    assert [piece.again for file in found.files for piece in file.pieces] == [
        False, False, True, False,
    ]  # fmt: skip
    assert found.outcome == ""
    # Who had delivered them, the latest first; the sums tell them apart from what is new.
    (third,) = [piece for piece in found.files[0].pieces if piece.again]
    assert (third.again_bytes, list(third.before)) == (4, [("alpha", 1.1)])
    assert (found.by_source, found.again_by_source) == ({"alpha": 8, "bravo": 8}, {"bravo": 4})


def test_how_much_of_a_piece_had_come_before() -> None:
    (found,) = transfers(
        "client",
        events(
            chunk(1.0, "ggoo/a.eti", 8, ("alpha", 4)),
            chunk(1.1, "ggoo/a.eti", 0, ("bravo", 4)),
            chunk(1.2, "ggoo/a.eti", 2, ("alpha", 8)),
            chunk(1.3, "ggoo/a.eti", 0, ("bravo", 14)),
            chunk(1.4, "ggoo/a.eti", 14, ("bravo", 2)),
        ),
        NAMES,
    )
    pieces = found.files[0].pieces
    assert [piece.again_bytes for piece in pieces] == [0, 0, 4, 12, 0]
    assert list(pieces[2].before) == [("bravo", 1.1), ("alpha", 1.0)]
    assert list(pieces[3].before) == [("alpha", 1.2), ("bravo", 1.1)]


def test_who_came_before_is_looked_up_for_shown_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def before(attempt: object, path: str, begin: int, end: int) -> list[tuple[str, float]]:
        looked.append(begin)
        return []

    monkeypatch.setattr("scenarios.families.lan_spread.report.provenance.PIECES_SHOWN", 3)
    monkeypatch.setattr("scenarios.families.lan_spread.report.provenance._Attempt._before", before)
    (found,) = transfers(
        "client", events(*[chunk(1.0, "ggoo/a.eti", 0, ("alpha", 4)) for _ in range(50)]), NAMES
    )
    assert (len(looked), len(found.files[0].pieces)) == (2, 3)
    assert found.again_by_source == {"alpha": 49 * 4}


def test_what_comes_after_the_end_is_a_transfer_of_its_own() -> None:
    found = transfers(
        "client",
        events(
            operations(1.0, ggoo="StreamInstalling"),
            event(1.1, "download-cancelled", game_id="ggoo"),
            chunk(1.2, "ggoo/.local.installing/a", 0, ("alpha", 4)),
        ),
        NAMES,
    )
    assert [(one.outcome, one.streamed, one.begin) for one in found] == [
        ("download-cancelled", True, 1.0),
        ("", True, 1.2),
    ]


@pytest.mark.parametrize("ranges", [None, 5, [5], [{"peer_id": [], "offset": -1, "length": 1e300}]])
def test_a_hostile_chunk_harms_nobody(ranges: object) -> None:
    data = {"game_id": ["x"], "peer_id": {}, "relative_path": 7, "offset": 10**30, "length": True}
    (found,) = transfers(
        "client", events(event(1.0, "download-chunk-finished", **data, ranges=ranges)), {}
    )
    assert [(p.source, p.offset, p.length) for p in found.files[0].pieces] == [("unknown", 0, 0)]


def test_bars_are_operations_with_their_outcome() -> None:
    found = bars(
        "client",
        events(
            operations(1.0, ggoo="Downloading"),
            operations(2.0, ggoo="Installing", coh="Downloading"),
            event(2.0, "download-finished", game_id="ggoo"),
            operations(3.0, coh="Downloading"),
            event(3.0, "install-failed", game_id="ggoo"),
        ),
    )
    assert [(b.begin, b.end, b.item, b.operation, b.outcome) for b in found] == [
        (1.0, 2.0, "ggoo", "Downloading", "download-finished"),
        (2.0, None, "coh", "Downloading", ""),
        (2.0, 3.0, "ggoo", "Installing", "install-failed"),
    ]


def test_a_meeting_is_one_connection_from_who_was_told_to_connect() -> None:
    alpha = lines(ready(1.0, "alpha"), event(1.1, "peer-connected", peer_id="id-bravo"))
    bravo = lines(
        ready(1.0, "bravo"),
        told(1.05, "connect", addr="alpha:1"),
        event(1.2, "peer-connected", peer_id="id-alpha"),
        event(9.0, "peer-connected", peer_id="id-alpha"),
    )
    nodes = [node("alpha", alpha), node("bravo", bravo)]
    by_node = {
        "alpha": events(*[(one.at, one.stream, one.text) for one in alpha], node="alpha"),
        "bravo": events(*[(one.at, one.stream, one.text) for one in bravo], node="bravo"),
    }
    found = connections(nodes, by_node, NAMES)
    assert [(one.at, one.source, one.target, one.asked, one.lane) for one in found] == [
        (1.1, "bravo", "alpha", True, "alpha"),
        (9.0, "bravo", "alpha", True, "bravo"),
    ]
