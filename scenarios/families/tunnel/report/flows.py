"""What flowed through tunnels to a node: each tunnel's streams, by who sent how much, and when."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scenarios.core.fields import number_of, text_of
from scenarios.core.log import Event
from scenarios.families.tunnel.report.activity import stream_of
from scenarios.family.story import FileMap, Piece, Transfer

SHOWN = 30  # streams of a tunnel, the largest


def transfers(lane: str, events: Sequence[Event], _names: Mapping[str, str]) -> list[Transfer]:
    """Return what came over links to a node, a transfer per tunnel that carried anything."""
    is_server = any(text_of(event.data, "role") == "server" for event in events[:1])
    begun: dict[str, Event] = {}
    closed: dict[str, list[tuple[Event, Event]]] = {}
    for event in events:
        if event.name == "stream-opened":
            begun[stream_of(event)] = event
        elif event.name == "stream-closed" and (began := begun.pop(stream_of(event), None)):
            closed.setdefault(text_of(event.data, "tunnel"), []).append((began, event))
    return [
        found
        for tunnel, streams in closed.items()
        if (found := _transfer(lane, tunnel, streams, is_server)).total_bytes
    ]


def _transfer(
    lane: str, tunnel: str, streams: Sequence[tuple[Event, Event]], is_server: bool
) -> Transfer:
    by_source: Counter[str] = Counter()
    files: list[FileMap] = []
    for _, end in streams:
        source = f"client-{number_of(end.data, 'client_id')}" if is_server else "server"
        count = number_of(end.data, "bytes_in")
        if not count:
            continue
        by_source[source] += count
        pieces = [Piece(0, count, source, end.at, end.line.index + 1, again=False)]
        files.append(FileMap(f"{tunnel}/{stream_of(end)}", count, pieces))
    shown = sorted(files, key=lambda file: -file.size)[:SHOWN]
    first, (_, last) = streams[0][0], streams[-1]
    return Transfer(
        lane=lane,
        item=tunnel,
        streamed=True,
        begin=first.at,
        end=last.at,
        outcome=last.name,
        reason="",
        total_bytes=sum(by_source.values()),
        sources=sorted(by_source),
        by_source=dict(by_source),
        files=sorted(shown, key=lambda file: file.pieces[0].at),
        files_left_out=len(files) - len(shown),
        pieces_left_out=len(files) - len(shown),
        samples=(),
        told_at_end=True,
        line=first.line.index + 1,
    )
