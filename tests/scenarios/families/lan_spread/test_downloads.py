"""Who delivered what, and which commands began a download at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from scenarios.families.lan_spread.attempts import Chunk, downloads_of
from scenarios.families.lan_spread.downloads import (
    Part,
    bytes_by_source,
    chunks_by_source,
    cover_once,
    parts_of,
)
from scenarios.families.lan_spread.peers import Peer
from tests.scenarios.families.lan_spread.recorded import (
    Said,
    begin,
    chunk,
    finished,
    manifest,
    story,
    told,
)

PartRow = Mapping[str, Any]


@dataclass
class Known:
    peer_id: str
    name: str


PEERS = cast("Sequence[Peer]", [Known("a", "alpha"), Known("b", "bravo")])


def row(who: str, offset: int, length: int) -> PartRow:
    return {"peer_id": who, "offset": offset, "length": length}


def delivered(*rows: PartRow, who: str = "b", offset: int = 100, length: int = 50) -> Chunk:
    at, stream, message = chunk(2, "x", "x.eti", offset, length, who)
    if rows:
        message = {**message, "data": {**message["data"], "ranges": list(rows)}}
    return (
        downloads_of(story(told(1, "download", game_id="x"), (at, stream, message)))
        .attempts[0]
        .chunks[0]
    )


def test_without_ranges_a_chunk_is_its_finishers() -> None:
    whole = delivered()
    assert parts_of(whole) == [Part("b", 100, 50)]
    assert cover_once(whole)


def test_parts_come_in_order_of_offset() -> None:
    shared = delivered(row("b", 120, 30), row("a", 100, 20))
    assert parts_of(shared) == [Part("a", 100, 20), Part("b", 120, 30)]
    assert cover_once(shared)


@pytest.mark.parametrize(
    "rows",
    [
        [row("a", 100, 20)],
        [row("a", 100, 20), row("b", 121, 29)],
        [row("a", 100, 20), row("b", 119, 31)],
        [row("a", 100, 50), row("b", 100, 50)],
        [row("a", 0, 50)],
        [row("a", 100, 60), row("b", 160, -10)],
        [{"peer_id": "a"}],
    ],
    ids=["short", "gap", "overlap", "twice", "elsewhere", "negative", "nonsense"],
)
def test_parts_that_are_not_the_chunk(rows: list[PartRow]) -> None:
    assert not cover_once(delivered(*rows))


def test_shares_are_counted_by_name() -> None:
    chunks = [
        delivered(row("a", 100, 20), row("b", 120, 30)),
        delivered(who="a", offset=0, length=100),
        delivered(who="stranger", offset=150, length=7),
    ]
    assert chunks_by_source(chunks, PEERS) == {"alpha": 1, "bravo": 1, "stranger": 1}
    assert bytes_by_source(chunks, PEERS) == {"alpha": 120, "bravo": 30, "stranger": 7}


def command(at: float, request_id: str) -> Said:
    return at, "in", {"cmd": "download", "id": request_id, "game_id": "x"}


def reply(at: float, request_id: str, kind: str) -> Said:
    return at, "out", {"type": kind, "id": request_id, "error": "no", "code": "no", "data": {}}


def test_a_refused_command_is_no_download() -> None:
    attempts = downloads_of(
        story(
            command(1, "r1"),
            reply(1, "r1", "error"),
            command(2, "r2"),
            reply(2, "r2", "result"),
            command(3, "r3"),
            reply(3, "r3", "error"),
            manifest(4, "x", a=5),
            begin(4, "x", 5),
            finished(5, "x", 5, 1),
        )
    ).attempts
    assert [attempt.asked.at for attempt in attempts] == [2]
    assert attempts[0].outcome is not None


def test_a_command_without_an_answer_is_a_download() -> None:
    assert len(downloads_of(story(command(1, "r1"))).attempts) == 1
