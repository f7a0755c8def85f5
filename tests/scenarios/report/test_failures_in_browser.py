"""How the report shows failures, in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.chromium import PROGRAM, WHY_NOT, Browser
from scenarios.report.writing import write_report
from scenarios.results.results import ScenarioResult
from tests.scenarios.report.page_text import ENTER, text
from tests.scenarios.report.recorded_run import (
    check,
    event,
    ready,
    started,
    write_run,
    write_scenario,
)

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)


def test_a_long_finding_is_whole_or_says_how_much_is_left(opened: Browser, tmp_path: Path) -> None:
    rule = {"check_kind": "always", "passed": False}
    many = "\n  ".join(f"finding {n}" for n in range(20))
    run = a_failing_run(
        tmp_path, S1=[check(1.0, RULE, **rule, detail=many)],
        S2=[check(1.0, "long", passed=False, detail="x" * 5000)],
        S3=[check(1.0, "short", passed=False, detail=many[: many.index("finding 14")].strip())],
    )  # fmt: skip
    opened.open(write_report(run).as_uri())
    shown = {}
    for key in ("S1", "S2", "S3"):
        opened.js(f"location.hash = '#/{key}'")
        opened.drawn()
        shown[key] = text(opened, ".failure .got").splitlines()
        cut = "some(e => e.scrollHeight > e.clientHeight + 1)"
        assert not opened.js(f"[...document.querySelectorAll('.block')].{cut}")
    assert shown["S1"] == [*(f"finding {n}" for n in range(12)), "… 8 more lines"]
    assert shown["S2"][-1] == "… 2,601 more characters"
    assert shown["S3"] == [f"finding {n}" for n in range(14)]
    opened.js("location.hash = '#/S1'")
    opened.drawn()
    opened.js("document.querySelector('.failure .got button').focus()")
    opened.press("Enter", ENTER)
    assert text(opened, ".failure .got").splitlines()[-1] == "finding 19"


def test_a_failed_check_stands_below_the_one_that_held(opened: Browser, tmp_path: Path) -> None:
    rule = check(
        3.0,
        RULE,
        check_kind="always",
        passed=False,
        detail="twice, client.jsonl:2",
        found_at="client.jsonl:2",
    )
    held, bad = check(1.1, "b", read="client.jsonl:1"), check(2.0, "c", passed=False, detail="x")
    fine = check(2.9, "always: fine", check_kind="always")
    run = a_failing_run(tmp_path, S1=[check(1.0, "a"), held, bad, fine, rule])
    opened.open(write_report(run).as_uri())
    opened.js("location.hash = '#/S1'")
    opened.drawn()
    rows = "[...document.querySelector('.expectations').querySelectorAll('tbody tr')]"
    said = opened.js(f"{rows}.map(e => [e.className, e.lastChild.firstChild.textContent])")
    assert said == [["", "b"], ["failed", "c"], ["failed", RULE]]
    # Each leads to the line that was read, a rule to those that broke it.
    opened.click(".expectations .line")
    assert text(opened, "#dock h2") == "client: event local-peer-ready"
    opened.click(".expectations .block .link")
    assert text(opened, "#dock h2") == "client: event late"


RULE = "always: no chunk finished twice"


def a_failing_run(folder: Path, **failing: list[dict[str, Any]]) -> Path:
    """A run in which each scenario failed by its records; their peer only started."""
    results = []
    for key, records in failing.items():
        write_scenario(folder / key, [started(0.1, "client"), *records],
            {"client": [ready(0.2, "client"), event(3.0, "late")]})  # fmt: skip
        first = next(one for one in records if not one.get("passed", True))
        results.append(ScenarioResult(key, f"Name of {key}", "failed", 1.0, folder=key,
            failure=f"{first['what']}: {first['detail']}"))  # fmt: skip
    return write_run(folder, *results)


def test_failures_that_are_alike_are_read_once(opened: Browser, tmp_path: Path) -> None:
    twice = check(2.0, RULE, check_kind="always", passed=False, detail="bytes came twice")
    rate = check(1.0, "MiB/s", passed=False, detail="got 105, wanted 66")
    other = check(1.0, "files", passed=False, detail="got 1, wanted 2")
    run = a_failing_run(tmp_path, S1=[other], S2=[rate, twice], S3=[twice], S4=[twice])
    opened.open(write_report(run).as_uri())
    opened.drawn()
    assert text(opened, "#failures ~ *").startswith(f"3 of 4: {RULE}")
    names = opened.js("[...document.querySelectorAll('article :is(h3, h4) a')].map(e => e.text)")
    assert names == ["S3 Name of S3", "S1 Name of S1"]
    rest = opened.js("[...document.querySelectorAll('.alike > ul li')].map(e => e.innerText)")
    assert rest == ["S4 Name of S4", "S2 Name of S2 — first failed: MiB/s"]
    opened.click(".alike > ul li:last-child a")
    assert text(opened, "h1") == "S2 Name of S2"


def test_nothing_moves_when_a_timeline_comes_into_sight(opened: Browser, tmp_path: Path) -> None:
    failing = {
        f"S{n}": [check(1.0, f"check {n}", passed=False, detail="got 1, wanted 2")]
        for n in range(1, 7)
    }
    opened.open(write_report(a_failing_run(tmp_path, **failing)).as_uri())
    opened.drawn()
    drawn = "document.querySelectorAll('svg[role=listbox]').length"
    height = "document.documentElement.scrollHeight"
    at_first = opened.js(height)
    assert opened.js(drawn) < 6
    for n in range(6):
        opened.js(f"document.querySelectorAll('article')[{n}].scrollIntoView()")
        opened.drawn()
    assert opened.js(drawn) == 6
    assert opened.js(height) == at_first
