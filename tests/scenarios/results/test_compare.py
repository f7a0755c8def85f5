"""Comparing two turns of a scenario."""

import json
from pathlib import Path
from typing import Any

import pytest

from scenarios.families.lan_spread.family import FAMILY
from scenarios.results.compare import CompareError, compare_turns, difference_lines, turn_folder

Log = list[tuple[str, dict[str, Any]]]


def turn(folder: Path, began: float, ip: str, peer_id: str, *lines: dict[str, Any]) -> Path:
    """Write a turn with one node, alpha, which says that it is ready and then these lines."""
    folder.mkdir(parents=True)
    story = [
        {"kind": "node-starting", "at": began, "node": "alpha", "name": "alpha", "address": ip}
    ]
    ready = event("local-peer-ready", 0, peer_id=peer_id, addr=f"{ip}:4001")
    said = [
        {
            "at": began + 1 + number,
            "stream": "in" if "cmd" in line else "out",
            "text": json.dumps(line),
        }
        for number, line in enumerate([ready, *lines])
    ]
    for name, records in (("scenario", story), ("alpha", said)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def event(name: str, seq: int, **data: Any) -> dict[str, Any]:
    return {"type": "event", "event": name, "seq": seq, "ts": seq * 1.1, "data": data}


def begin(addr: str, seq: int = 1) -> dict[str, Any]:
    return event("download-begin", seq, sources=[{"addr": addr}])


def test_what_differs_between_any_two_runs_is_no_difference(tmp_path: Path) -> None:
    one = turn(
        tmp_path / "one", 3.0, "127.9.0.2", "aaaa", begin("127.9.0.2:77"),
        event("download-progress", 2, downloaded_bytes=5),
        event("a", 3, duration_ms=12), event("b", 4), {"cmd": "x", "path": f"{tmp_path}/one/work"},
    )  # fmt: skip
    other = turn(
        tmp_path / "other", 50.0, "10.200.1.2", "bbbb", begin("10.200.1.2:9"),
        event("b", 2), event("a", 3, duration_ms=99),
        {"cmd": "x", "path": f"{tmp_path}/other/work"},
    )  # fmt: skip
    assert compare_turns(one, other, FAMILY) == []


def chunk(seq: int, offset: int, source: str) -> dict[str, Any]:
    ranges = [{"peer_id": source, "offset": offset, "length": 7}]
    return event("chunk", seq, offset=offset, peer_id=source, ranges=ranges)


def test_the_first_line_that_the_other_never_has(tmp_path: Path) -> None:
    good = turn(
        tmp_path / "good", 3.0, "127.9.0.2", "aaaa", begin("127.9.0.2:77"),
        chunk(2, 0, "x"), chunk(3, 7, "y"), event("download-finished", 3),
    )  # fmt: skip
    bad = turn(
        tmp_path / "bad", 50.0, "127.9.0.3", "bbbb", begin("127.9.0.3:78"),
        chunk(2, 7, "x"), chunk(3, 0, "y"), event("download-failed", 3),
    )  # fmt: skip
    (difference,) = compare_turns(bad, good, FAMILY)
    # Not who delivered which chunk, which two threads may have drawn: the outcome.
    assert difference.node == "alpha"
    assert difference.left is not None
    assert "download-failed" in difference.left.text
    assert difference.right is not None
    assert "download-finished" in difference.right.text
    text = difference_lines([difference], "bad", "good")
    assert text[1].startswith("  only in bad: 5.000 s {")


def test_a_value_that_differs_comes_before_a_later_line_that_is_missing(tmp_path: Path) -> None:
    good = turn(
        tmp_path / "good", 3.0, "127.9.0.2", "aaaa",
        event("peer-disconnected", 1, reason="goodbye"), {"cmd": "list-peers"},
    )  # fmt: skip
    bad = turn(
        tmp_path / "bad", 3.0, "127.9.0.3", "bbbb",
        event("peer-disconnected", 1, reason="connection-lost"),
    )  # fmt: skip
    (difference,) = compare_turns(bad, good, FAMILY)
    assert difference.left is not None
    assert "connection-lost" in difference.left.text
    assert difference.right is not None
    assert "goodbye" in difference.right.text


def test_work_that_all_went_to_one_is_told_by_its_first_line_too_many(tmp_path: Path) -> None:
    good = turn(
        tmp_path / "good", 3.0, "127.9.0.2", "aaaa",
        chunk(1, 0, "x"), chunk(2, 7, "y"), chunk(3, 14, "y"), chunk(4, 21, "x"),
    )  # fmt: skip
    bad = turn(
        tmp_path / "bad", 3.0, "127.9.0.3", "bbbb", *(chunk(1 + at, 7 * at, "x") for at in range(4))
    )
    (difference,) = compare_turns(bad, good, FAMILY)
    assert difference.left is not None
    assert '"offset": 14' in difference.left.text  # the third of x, where there should be two


def test_data_counts_where_the_kinds_are_the_same(tmp_path: Path) -> None:
    one = turn(tmp_path / "one", 3.0, "127.9.0.2", "aaaa", event("chunk", 1, offset=0))
    two = turn(tmp_path / "two", 3.0, "127.9.0.2", "aaaa", event("chunk", 1, offset=7))
    (difference,) = compare_turns(one, two, FAMILY)
    assert difference.right is not None
    assert '"offset": 7' in difference.right.text


def test_one_too_many_is_the_last_of_them(tmp_path: Path) -> None:
    one = turn(tmp_path / "one", 3.0, "127.9.0.2", "a", event("chunk", 1), event("chunk", 2))
    two = turn(tmp_path / "two", 3.0, "127.9.0.2", "a", event("chunk", 1))
    (difference,) = compare_turns(one, two, FAMILY)
    assert difference.right is None
    assert difference.at == 3.0


def test_which_run_and_which_turn(tmp_path: Path) -> None:
    (tmp_path / "20260101-x" / "S7" / "2").mkdir(parents=True)
    (tmp_path / "20260102-x" / "S7").mkdir(parents=True)
    assert turn_folder(tmp_path, "20260102-x", "S7") == tmp_path / "20260102-x" / "S7"
    assert turn_folder(tmp_path, "20260101-x:2", "S7").name == "2"
    by_path = f"{tmp_path / '20260101-x'}:2"
    assert turn_folder(tmp_path, by_path, "S7") == tmp_path / "20260101-x" / "S7" / "2"
    for run, complaint in (("20260101-x", "say which"), ("gone", "20260101-x, 20260102-x")):
        with pytest.raises(CompareError, match=complaint):
            turn_folder(tmp_path, run, "S7")
