"""The report in a real browser: it opens quickly, shows the failure, obeys the keyboard."""

from pathlib import Path

import pytest

from benchmarks.chromium import PROGRAM, WHY_NOT, Browser
from scenarios.report.writing import write_report
from scenarios.results.results import ScenarioResult
from tests.scenarios.report.page_text import ARROW_LEFT, ARROW_RIGHT, ENTER, ESCAPE, text
from tests.scenarios.report.recorded_run import (
    HOSTILE,
    MIB,
    Said,
    check,
    chunk,
    event,
    operations,
    ready,
    started,
    write_run,
    write_scenario,
)

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)


def text_content(page: Browser, selector: str) -> str:
    return str(page.js(f"document.querySelector({selector!r}).textContent"))


def test_a_failed_run_opens_on_the_failure(page: Browser) -> None:
    assert text(page, "h1") == "1 of 3 scenarios failed"
    card = text(page, ".failure")
    for told in (
        "client: download-finished of ggoo",
        "event download-finished with game_id='ggoo'",
        "download-progress x2, peer-disconnected x1",
        "since 2.000 s, until 5.000 s",
        "Faults placed",
        "2.000 s kill bravo",
        "no byte since 2.400 s",
        "./justw peer-cli-tests S2 --backend process",
    ):
        assert told in card
    first = page.js("document.querySelector('.failure').getBoundingClientRect().top")
    assert 0 < first < 400


def test_the_failing_wait_is_marked_on_its_peer(page: Browser) -> None:
    page.js("location.hash = '#/S2'")
    page.drawn()
    place = page.js("""(() => {
        const mark = document.querySelector('#failing').getBoundingClientRect();
        const labels = [...document.querySelectorAll('.label')].map(e => e.getBoundingClientRect());
        const names = [...document.querySelectorAll('.label b')].map(e => e.textContent);
        const middle = mark.top + mark.height / 2;
        return names[labels.findIndex(r => r.top <= middle && middle <= r.bottom)];
    })()""")
    assert place == "client"
    label = page.js("document.querySelector('text.failing').textContent")
    assert label.startswith("✗ waited 3.00 s for event download-finished")
    assert page.js("document.querySelectorAll('.fault .bolt').length") == 1


def test_the_keyboard_alone_opens_a_scenario_and_a_line(page: Browser) -> None:
    page.js("document.querySelector('.matrix a').focus()")
    page.press("ArrowRight", ARROW_RIGHT)
    page.press("Enter", ENTER)
    assert text(page, "h1") == "S2 Source drop"
    page.js("document.querySelector('svg[role=listbox]').focus()")
    page.press("ArrowRight", ARROW_RIGHT)
    before = text(page, "#dock h2")
    active = "document.querySelector('svg[role=listbox]').getAttribute('aria-activedescendant')"
    assert page.js(f"document.getElementById({active}).getAttribute('aria-selected')") == "true"
    at_first = page.js(active)
    page.press("ArrowLeft", ARROW_LEFT)
    assert text(page, "#dock h2") != before
    assert page.js(active) != at_first
    page.press("Enter", ENTER)
    assert page.js("document.activeElement.closest('#dock') !== null")
    page.press("Escape", ESCAPE)
    assert page.js("document.querySelector('#dock').hidden")
    page.press("o")
    assert text(page, "h1") == "1 of 3 scenarios failed"
    page.press("f")
    assert text(page, "h1") == "S2 Source drop"


def test_a_click_on_an_event_shows_its_line_and_the_other_side(page: Browser) -> None:
    page.js("location.hash = '#/S2'")
    page.drawn()
    page.click("svg[role=listbox] .mark.bytes")
    line = text(page, "#dock .json")
    assert '"event": "download-chunk-finished"' in line
    assert '"relative_path": "ggoo/ggoo.eti"' in line
    others = text(page, "#dock section + section")
    assert "alpha" in others
    page.click("#dock .lines button")
    assert "alpha" in text(page, "#dock h2")


def test_the_pieces_of_a_file_are_coloured_and_named_by_source(page: Browser) -> None:
    page.js("location.hash = '#/S2'")
    page.drawn()
    pieces = page.js("""[...document.querySelectorAll('.files .piece')].map(e => [
        e.querySelector('text').textContent.split(' ')[0],
        getComputedStyle(e.querySelector('rect')).fill])""")
    assert [name for name, _ in pieces] == ["alpha", "bravo"]
    assert pieces[0][1] != pieces[1][1]
    assert "alpha 3.0 MiB (75 %)" in text(page, ".transfer .legend")
    page.click(".files .piece")
    assert "download-chunk-finished" in text(page, "#dock h2")


def test_filters_take_peers_and_events_away(page: Browser) -> None:
    page.js("location.hash = '#/S2'")
    page.drawn()
    rows = "document.querySelectorAll('table.all tbody tr').length"
    everything = page.js(rows)
    page.click(".filters label input")
    assert page.js(rows) == everything - 6
    page.js("""(() => { const box = document.querySelector('.filters input[type=search]');
        box.value = 'got-game'; box.dispatchEvent(new Event('input')); })()""")
    page.drawn()
    assert page.js(rows) == 1


def test_a_hostile_line_stays_text(page: Browser) -> None:
    page.js("location.hash = '#/S2'")
    page.drawn()
    page.click("table.all tr:nth-child(4) button")
    shown = page.js("document.body.textContent")
    assert HOSTILE in shown
    assert page.js("document.title") == "S2 Source drop"
    assert page.js("document.querySelectorAll('main img, main script, #dock img').length") == 0
    # What would turn the direction of the text is shown, not done.
    assert "\u202e" not in page.js("document.body.innerText")


def test_both_themes(page: Browser) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.js(colour)
    page.click("#theme")
    assert page.js(colour) != light
    assert text(page, "#theme") == "Light theme"
    page.click("#theme")
    assert page.js(colour) == light


def test_everything_in_sight_has_a_name(page: Browser) -> None:
    for place in ("#/", "#/S1", "#/S2", "#/S3"):
        page.js(f"location.hash = {place!r}")
        page.drawn()
        nameless = page.js("""[...document.querySelectorAll('button, a, select, svg[role], nav')]
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() ||
                document.querySelector(`label[for="${e.id}"]`))).map(e => e.outerHTML)""")
        assert nameless == []
        assert page.js("document.querySelectorAll('h1').length") == 1


def test_what_the_ending_cut_off_is_no_finding(opened: Browser, tmp_path: Path) -> None:
    said = [
        ready(1.1, "client"), operations(1.2, ggoo="Downloading"),
        event(1.3, "download-begin", game_id="ggoo", total_bytes=8, sources=[]),
        operations(2.1), event(2.1, "download-cancelled", game_id="ggoo"),
    ]  # fmt: skip
    wrong = check(2.0, "status", passed=False, detail="got [], wanted [1]")
    write_scenario(tmp_path / "S1", [started(1.0, "client"), wrong], {"client": said})
    # The same, but for a check behind it: that one went on.
    write_scenario(
        tmp_path / "S2", [started(1.0, "client"), wrong, check(2.2, "more")], {"client": said}
    )
    both = [
        ScenarioResult(key, "Cut", "failed", 1.0, failure="status: got [], wanted [1]", folder=key)
        for key in ("S1", "S2")
    ]
    opened.open(write_report(write_run(tmp_path, *both)).as_uri())
    after = "document.querySelectorAll(':is(.mark, tr).after').length"
    reds = "document.querySelectorAll('.transfer .alarm, .bar.bad, table.all tr.failed').length"

    opened.js("location.hash = '#/S1'")
    opened.drawn()
    assert "client downloads ggoo: cut off by the end of the scenario" in text(opened, ".transfer")
    assert "client has 0 B of 8 B of ggoo; cut off by the end" in text(opened, ".failure")
    assert "It ended here; what it would have checked after" in text(opened, ".failure")
    assert (opened.js(after), opened.js(reds)) == (3, 0)  # one mark of two lines, and their rows
    veil = "document.querySelector('.veil').getBoundingClientRect()"
    moment = "document.querySelector('.moment').getBoundingClientRect()"
    assert opened.js(f"{veil}.width > 20 && Math.abs({veil}.left - {moment}.left) < 3")

    opened.js("location.hash = '#/S2'")
    opened.drawn()
    assert "✗ download-cancelled" in text(opened, ".transfer")
    assert "It ended here" not in text(opened, ".failure")
    assert (opened.js(after), opened.js(reds)) == (0, 3)
    assert opened.js("document.querySelector('.veil') === null")


def hovered(page: Browser, selector: str) -> str:
    page.js(f"document.querySelector({selector!r}).dispatchEvent(new MouseEvent('mousemove'))")
    return text(page, "#tip")


def progress(at: float, done: int) -> Said:
    return event(at, "download-progress", game_id="ggoo", downloaded_bytes=done)


def test_what_came_twice_is_told_apart_from_what_is_new(opened: Browser, tmp_path: Path) -> None:
    said = [
        ready(1.0, "client"), operations(1.0, ggoo="Downloading"), progress(1.1, 0),
        chunk(1.2, "ggoo/a.eti", 0, ("alpha", 4 * MIB)),
        chunk(1.2001, "ggoo/a.eti", 0, ("alpha", 4 * MIB)), progress(1.3, 4 * MIB),
        operations(1.301), event(1.301, "download-finished", game_id="ggoo"), event(9.0, "late"),
    ]  # fmt: skip
    for key, more in (("S1", []), ("S2", [progress(1.25, 3 * MIB)])):
        write_scenario(
            tmp_path / key, [started(0.9, "alpha"), started(0.9, "client")],
            {"alpha": [ready(1.0, "alpha")], "client": sorted([*said, *more])},
        )  # fmt: skip
    results = [ScenarioResult(key, "Twice", "passed", 1.0, folder=key) for key in ("S1", "S2")]
    opened.open(write_report(write_run(tmp_path, *results)).as_uri())
    opened.js("location.hash = '#/S1'")
    opened.drawn()
    legend = text(opened, ".transfer .legend")
    assert "alpha 4.0 MiB (100 %), and 4.0 MiB that had come before" in legend
    assert opened.js("document.querySelectorAll('.legend .swatch.again').length") == 1
    told = hovered(opened, ".piece.again")
    assert "all of it had come before: from alpha, less than 1 ms earlier" in told
    # The label of the piece below is not cut.
    assert opened.js("""document.querySelector('.piece.again rect').getBBox().y >=
        document.querySelector('.piece text').getBBox().y + 11""")
    # One interval is no course of a rate; the place for one of two is kept before it is drawn.
    assert opened.js("document.querySelector('.rates') === null")
    opened.js("location.hash = '#/S2'")
    opened.drawn()
    chart = "document.querySelector('.chart')"
    assert opened.js(f"{chart}.querySelector('.rates') !== null")
    assert opened.js(f"parseFloat({chart}.style.minHeight) === {chart}.scrollHeight")
    # 0.3 s of 8: too narrow for a label of its own, which is beside it then.
    assert "Downloading ggoo → download-finished" in hovered(opened, ".bar")
    assert "Downloading ggoo" in text_content(opened, ".operation")


def test_a_line_in_a_table_leaves_its_envelope_out(page: Browser) -> None:
    page.js("location.hash = '#/S2'")
    page.drawn()
    rows = page.js("[...document.querySelectorAll('table.all tbody tr')].map(e => e.innerText)")
    (connected,) = [row for row in rows if "event peer-connected" in row]
    assert connected.endswith('{"peer_id":"id-alpha","addr":"alpha:1"}')
    own = next(row for row in rows if "event local-peer-ready" in row)
    assert "peer_id" not in own
    assert not any('"seq"' in row or '"ts"' in row for row in rows)
    assert any(HOSTILE in row for row in rows)  # what is no protocol line stays whole
    page.js("""(() => { const box = document.querySelector('.filters input[type=search]');
        box.value = '"seq": 0'; box.dispatchEvent(new Event('input')); })()""")
    page.drawn()
    assert page.js("document.querySelectorAll('table.all tbody tr').length") > 5
    page.click("table.all tbody button")
    assert '"seq": 0' in text(page, "#dock .json")
    titles = page.js("[...document.querySelectorAll('th[title]')].map(e => e.textContent)")
    assert titles == ["At", "At", "Time"]


def test_a_large_run_opens_and_shows_any_scenario(opened: Browser, tmp_path: Path) -> None:
    results = []
    for number in range(1, 61):
        noise = [event(2.0 + i / 100, f"noise-{i % 9}", text="x" * 300, i=i) for i in range(250)]
        chunks = [chunk(3.0 + i / 50, f"coh/{i}.eti", 0, ("alpha", 99)) for i in range(150)]
        client = [ready(1.1, "client"), *noise, *chunks]
        folder = f"S{number}"
        write_scenario(
            tmp_path / folder,
            [started(1.0, "alpha"), started(1.0, "client")],
            {"alpha": [ready(1.0, "alpha"), *noise], "client": sorted(client)},
        )
        outcome = "failed" if number % 20 == 0 else "passed"
        results.append(ScenarioResult(folder, "Much", outcome, 1.0, failure="no", folder=folder))  # type: ignore[arg-type]
    page = write_report(write_run(tmp_path, *results))
    assert 5 * 2**20 < page.stat().st_size < 10 * 2**20
    opened.open(page.as_uri())
    opened.drawn()
    opened.js("location.hash = '#/S40'")
    opened.drawn()
    assert text(opened, "h1") == "S40 Much"
    assert opened.complaints() == []
