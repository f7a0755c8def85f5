"""The two files that are written: the page as text, and the trace."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from scenarios.report.writing import LARGEST_PAGE, write_report
from scenarios.results.results import ScenarioResult
from tests.scenarios.report.recorded_run import (
    HOSTILE,
    a_run,
    check,
    event,
    ready,
    started,
    write_run,
    write_scenario,
)

_DATA = re.compile(r'<script type="application/json" id="([^"]+)">(.*?)</script>', re.DOTALL)


def blocks(page: Path) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in _DATA.findall(page.read_text("utf-8"))}


def test_the_page_needs_nothing_else_and_nothing_of_a_log_is_markup(tmp_path: Path) -> None:
    page = write_report(a_run(tmp_path))
    text = page.read_text("utf-8")
    assert page == tmp_path / "report.html"
    assert not re.search(r"(src|href)=\"(?!data:|#)", text)
    assert HOSTILE not in text
    # Only the page's own elements: one script, one data block per scenario and one for the run.
    assert len(re.findall("<script", text)) == 1 + 1 + 3
    assert text.count("</script>") == 1 + 1 + 3
    alpha = blocks(page)["view-1"]["lanes"][0]
    assert [line[4] for line in alpha["lines"]].count(HOSTILE) == 2


def test_the_overview_has_each_scenario_and_how_to_run_it_again(tmp_path: Path) -> None:
    run = blocks(write_report(a_run(tmp_path)))["run"]
    assert [(one["id"], one["outcome"]) for one in run["scenarios"]] == [
        ("S1", "passed"),
        ("S2", "failed"),
        ("S3", "skipped"),
    ]
    assert run["scenarios"][1]["again"].startswith("./justw peer-cli-tests S2 --backend process")
    assert (run["backend"], run["seed"]) == ("process", 7)


def test_what_is_no_unicode_survives(tmp_path: Path) -> None:
    said = [ready(1.0, "alpha"), event(1.1, "odd-\ud800", game_id="\udfff")]
    write_scenario(tmp_path / "S1", [started(0.0, "alpha")], {"alpha": said})
    run = write_run(tmp_path, ScenarioResult("S1", "Odd", "passed", 1.0, folder="S1"))
    alpha = blocks(write_report(run))["view-0"]["lanes"][0]
    assert alpha["lines"][1][3] == "odd-\ud800"


def test_a_huge_log_is_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    noise = [event(2.0 + i / 1e4, "noise", text="<\x01é" * 100, i=i) for i in range(30_000)]
    said = [ready(1.0, "alpha"), *noise, event(9.0, "download-failed", game_id="x")]
    write_scenario(tmp_path / "S1", [started(0.0, "alpha")], {"alpha": said})
    run = write_run(tmp_path, ScenarioResult("S1", "Loud", "passed", 1.0, folder="S1"))
    page = write_report(run)
    assert page.stat().st_size < LARGEST_PAGE
    view = blocks(page)["view-0"]
    kept = view["lanes"][0]["lines"]
    assert 1000 < len(kept) < 30_000
    assert {"local-peer-ready", "download-failed"} <= {line[3] for line in kept}
    left = 30_002 - len(kept)
    (note,) = view["notes"]
    assert note.startswith(f"{left} of the 30002 lines of alpha are left out here")
    assert note.endswith("all are in S1/alpha.jsonl.")


def test_the_page_stays_small_whatever_else_there_is_to_say(tmp_path: Path) -> None:
    results = []
    for number in range(40):
        folder = f"S{number}"
        records = [check(1.0, f"{i} {'x' * 400}", passed=i % 2 == 0) for i in range(299)]
        noise = [event(2.0, "noise", text="x" * 900) for _ in range(250)]
        write_scenario(tmp_path / folder, [started(0.0, "alpha"), *records], {"alpha": [*noise]})
        results.append(ScenarioResult(folder, "Much", "passed", 1.0, folder=folder))
    page = write_report(write_run(tmp_path, *results))
    assert page.stat().st_size < LARGEST_PAGE
    assert len(blocks(page)["view-39"]["lanes"][0]["lines"]) > 10


def spans(events: list[dict[str, Any]], phase: str) -> Counter[tuple[int, str]]:
    return Counter((each["pid"], each["id2"]["local"]) for each in events if each["ph"] == phase)


def test_the_trace_is_in_the_trace_event_format(tmp_path: Path) -> None:
    write_report(a_run(tmp_path))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert all({"ph", "name", "pid", "tid"} <= entry.keys() for entry in events)
    assert all(entry["ts"] >= 0 for entry in events if entry["ph"] != "M")
    names = {entry["args"]["name"] for entry in events if entry["name"] == "process_name"}
    assert names == {"S1 Startup scan", "S2 Source drop", "S3 Cut"}
    threads = {
        (entry["pid"], entry["args"]["name"]) for entry in events if entry["name"] == "thread_name"
    }
    assert {(2, "scenario"), (2, "alpha"), (2, "client"), (2, "client bytes")} <= threads
    assert spans(events, "b") == spans(events, "e")
    assert {entry["name"] for entry in events if entry["ph"] == "b"} >= {
        "client: Downloading ggoo",
        "client: download-finished of ggoo",
    }
    sent = [entry["id"] for entry in events if entry["ph"] == "s"]
    assert sent == [entry["id"] for entry in events if entry["ph"] == "f"]
    assert len(set(sent)) == len(sent) == 2
    assert all(type(arrow) is int for arrow in sent)  # Perfetto drops arrows with other ids
    assert any(entry["name"] == "fault: kill bravo" for entry in events)
    assert {entry["args"]["bytes"] for entry in events if entry["ph"] == "C"} == {0, 4 * 2**20}
