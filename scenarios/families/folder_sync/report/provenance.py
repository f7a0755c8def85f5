"""How each file came to a node: when, from whom, how much of it was there already."""

from collections.abc import Mapping, Sequence

from scenarios.core.fields import number_of, text_of
from scenarios.core.log import Event
from scenarios.family.story import FileMap, Piece, Transfer

SHOWN = 200
HERE = "here already"


def transfers(lane: str, events: Sequence[Event], names: Mapping[str, str]) -> list[Transfer]:
    """Return the fetches of a node, the largest ones if there are very many."""
    conflicts = {
        text_of(event.data, "path"): f"conflict: the other version is {_kept(event)}"
        for event in events
        if event.name == "conflict"
    }
    begun: dict[str, Event] = {}
    samples: dict[str, list[tuple[float, int]]] = {}
    found = []
    for event in events:
        path = text_of(event.data, "path")
        if event.name == "fetch-begin":
            begun[path], samples[path] = event, []
        elif event.name == "fetch-progress" and path in begun:
            samples[path].append((event.at, number_of(event.data, "fetched_bytes")))
        elif event.name in ("fetch-finished", "fetch-failed"):
            first = begun.pop(path, event)
            seen = samples.pop(path, [])
            found.append(_transfer(lane, path, first, event, seen, names, conflicts.get(path, "")))
    found += [
        _transfer(lane, path, first, None, samples[path], names, "")
        for path, first in begun.items()
    ]
    found.sort(key=lambda one: -one.total_bytes)
    return sorted(found[:SHOWN], key=lambda one: one.begin)


def _transfer(
    lane: str,
    path: str,
    first: Event,
    last: Event | None,
    samples: Sequence[tuple[float, int]],
    names: Mapping[str, str],
    conflict: str,
) -> Transfer:
    data = last.data if last else {}
    ids = data.get("from") or first.data.get("sources") or ()
    sources = [names.get(str(one), str(one)) for one in ids]
    came, reused = number_of(data, "bytes"), number_of(data, "reused_bytes")
    # Events tell how much came, and from whom, but not how much from each.
    from_all = " and ".join(sources) or "unknown"
    by_source = {source: count for source, count in ((HERE, reused), (from_all, came)) if count}
    at = last.at if last else first.at
    line = (last or first).line.index + 1
    pieces, offset = [], 0
    for source, count in by_source.items():
        pieces.append(Piece(offset, count, source, at, line, again=False))
        offset += count
    size = max(number_of(first.data, "size"), offset)
    reason = text_of(data, "reason")
    return Transfer(
        lane=lane,
        item=path,
        streamed=False,
        begin=first.at,
        end=last.at if last else None,
        outcome=last.name if last else "",
        reason="; ".join(part for part in (reason, conflict) if part),
        total_bytes=size,
        sources=sources,
        by_source=by_source,
        files=[FileMap(path, size, pieces)],
        files_left_out=0,
        pieces_left_out=0,
        samples=samples,
        line=first.line.index + 1,
    )


def _kept(event: Event) -> str:
    return text_of(event.data, "kept_as") or "kept by its author"
