"""Writes run folders as the runner leaves them, from short lists."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scenarios.core.log import Event, Line, event_of, json_object
from scenarios.results.results import RunInfo, ScenarioResult, write_results

Said = tuple[float, str, str]
MIB = 2**20
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
)


def event(at: float, name: str, /, **data: Any) -> Said:
    body = {"type": "event", "event": name, "seq": 0, "ts": at, "data": data}
    return at, "out", json.dumps(body)


def told(at: float, command: str, /, **arguments: Any) -> Said:
    return at, "in", json.dumps({"cmd": command, "id": "r1", **arguments})


def reply(at: float, **data: Any) -> Said:
    return at, "out", json.dumps({"type": "result", "id": "r1", "data": data})


def ready(at: float, name: str) -> Said:
    return event(at, "local-peer-ready", peer_id=f"id-{name}", name=name, addr=f"{name}:1")


def operations(at: float, **active: str) -> Said:
    rows = [{"game_id": game, "operation": operation} for game, operation in active.items()]
    return event(at, "active-operations-changed", active_operations=rows)


def chunk(at: float, path: str, offset: int, *ranges: tuple[str, int]) -> Said:
    """A finished chunk; ranges are who delivered how much of it, one behind the other."""
    rows, place = [], offset
    for who, length in ranges:
        rows.append({"peer_id": f"id-{who}", "offset": place, "length": length})
        place += length
    length = place - offset
    return event(
        at, "download-chunk-finished", game_id=path.split("/")[0], peer_id=rows[-1]["peer_id"],
        relative_path=path, offset=offset, length=length, ranges=rows,
    )  # fmt: skip


def lines(*said: Said) -> list[Line]:
    return [
        Line(index, at, at, stream, text, json_object(text))  # type: ignore[arg-type]
        for index, (at, stream, text) in enumerate(said)
    ]


def events(*said: Said, node: str = "client") -> list[Event]:
    return [found for line in lines(*said) if (found := event_of(node, line))]


def record(kind: str, at: float, /, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at, "wall": at, **fields}


def started(at: float, node: str) -> dict[str, Any]:
    return record("node-starting", at, node=node, name=node, address="127.0.0.2")


def check(at: float, what: str, /, **fields: Any) -> dict[str, Any]:
    full = {"check_kind": "check", "passed": True, "since": at, "node": "", "detail": ""}
    return record("check", at, what=what, **{**full, "cause": None, **fields})


def failure(at: float, what: str, how: str, where: str = "", **fields: Any) -> dict[str, Any]:
    return record("failure", at, what=what, how=how, cause="check", where=where, **fields)


def write_scenario(
    folder: Path, records: Sequence[Mapping[str, Any]], nodes: Mapping[str, Sequence[Said]]
) -> None:
    folder.mkdir(parents=True)
    _write(folder / "scenario.jsonl", records)
    for node, said in nodes.items():
        kept = [{"at": at, "wall": at, "stream": stream, "text": text} for at, stream, text in said]
        _write(folder / f"{node}.jsonl", kept)


def write_run(folder: Path, *results: ScenarioResult) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    info = RunInfo("20260101-000000-process-test", "process", 7, {"project": "1"}, 1767225600.0)
    write_results(folder, info, results)
    return folder


FAILED_WAIT = """\
client: download-finished of ggoo: client: waited 3.0 s since 2.000 for event download-finished \
with game_id='ggoo'. Nothing moved any more: the last line of any node is 2.5 s old.
Instead came: download-progress x2, peer-disconnected x1
Near misses (right name, but not what was wanted):
      2.300 out {"type": "event", "event": "download-finished", "data": {"game_id": "coh"}}
Faults placed:
  2.000 kill bravo
Last lines of every node:
  client (running):
at scenarios/families/lan_spread/test_losses.py:65"""
LOSSES = "scenarios/families/lan_spread/test_losses.py:65"


def a_run(folder: Path) -> Path:
    """A run with one scenario that passed, one that failed, one skipped; a peer is hostile."""
    write_scenario(
        folder / "S1", [started(0.1, "alpha"), record("step", 0.3, text="look at it")],
        {"alpha": [ready(0.2, "alpha")]},
    )  # fmt: skip
    what = "client: download-finished of ggoo"
    write_scenario(
        folder / "S2",
        [
            started(1.0, "alpha"), started(1.0, "bravo"), started(1.0, "client"),
            check(1.2, "client: local-peer-ready", check_kind="wait", since=1.0, node="client"),
            record("wait", 2.0, node="client", what=what,
                wanted="event download-finished with game_id='ggoo'", timeout_s=3.0),
            record("fault", 2.0, what="kill bravo", node="bravo", took_s=0.01,
                trigger_node="client", trigger=operations(1.5, ggoo="Downloading")[2], error=""),
            record("node-ended", 2.01, node="bravo", exit_code=-9, cause="", expected=True),
            check(5.0, what, check_kind="wait", passed=False, since=2.0, node="client",
                detail=FAILED_WAIT.splitlines()[0].partition(": ")[2],
                cause="timeout-nothing-moved",
                wanted="event download-finished with game_id='ggoo'",
                got="download-progress x2, peer-disconnected x1",
                why="Nothing moved any more: the last line of any node is 2.5 s old.",
                near=["    2.300 out {…}"]),
            check(5.1, "always: no staging left", check_kind="always", passed=False,
                detail="client: .lanspread is left", cause="check"),
            failure(5.2, what, "expectation", LOSSES),
        ],
        {
            "alpha": [ready(1.1, "alpha"), (1.15, "err", HOSTILE), (1.16, "out", HOSTILE),
                event(1.17, HOSTILE, game_id=HOSTILE, peer_id=["id-bravo"], note="x"),
                (1.18, "err", "\u202eabc\x07"),
                event(2.02, "peer-disconnected", peer_id="id-bravo", reason="connection-lost")],
            "bravo": [ready(1.1, "bravo")],
            "client": [
                ready(1.1, "client"), told(1.2, "connect", addr="alpha:1"),
                event(1.25, "peer-connected", peer_id="id-alpha", addr="alpha:1"),
                told(1.4, "download", game_id="ggoo"), operations(1.5, ggoo="Downloading"),
                reply(1.51),
                event(1.6, "got-game-files", game_id="ggoo", file_descriptions=[
                    {"relative_path": "ggoo/ggoo.eti", "size": 8 * MIB},
                    {"relative_path": "ggoo/version.ini", "size": 9}]),
                event(1.7, "download-begin", game_id="ggoo", total_bytes=8 * MIB + 9,
                    sources=[{"peer_id": "id-alpha"}, {"peer_id": "id-bravo"}]),
                event(1.7, "download-progress", game_id="ggoo", downloaded_bytes=0),
                chunk(1.9, "ggoo/ggoo.eti", 0, ("alpha", 3 * MIB), ("bravo", MIB)),
                event(2.4, "download-progress", game_id="ggoo", downloaded_bytes=4 * MIB),
            ],
        },
    )  # fmt: skip
    return write_run(
        folder,
        ScenarioResult("S1", "Startup scan", "passed", 0.3, evidence="3 games", folder="S1"),
        ScenarioResult("S2", "Source drop", "failed", 4.1, failure=FAILED_WAIT, folder="S2",
            proves="it is `finished`"),
        ScenarioResult("S3", "Cut", "skipped", 0.0, reason="no network here", folder="S3"),
    )  # fmt: skip


def _write(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
