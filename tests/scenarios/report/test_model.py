"""What the report makes of a run's records, without a browser."""

from pathlib import Path

import msgspec
import pytest

from scenarios.core.log import Line
from scenarios.family.story import NodeLines
from scenarios.report.activity import kinds_and_names
from scenarios.report.failure import failure_of
from scenarios.report.model import Failure, ShownLine
from scenarios.report.reading import (
    Record,
    read_scenario,
    source_lines,
)
from scenarios.report.thinning import allowances, cost, most_telling, shown_lines
from scenarios.report.views import scenario_view
from scenarios.results.results import ScenarioResult, read_results
from tests.scenarios.report.recorded_run import (
    FAILED_WAIT,
    LOSSES,
    a_run,
    check,
    event,
    lines,
    ready,
    record,
    reply,
    started,
    told,
    write_run,
    write_scenario,
)
from tests.scenarios.report.recorded_run import (
    failure as a_failure,
)

NAMES = {"id-alpha": "alpha", "id-bravo": "bravo"}


def node(label: str, found: list[Line]) -> NodeLines:
    return NodeLines(label, f"S1/{label}.jsonl", found)


def test_replies_are_named_by_their_commands() -> None:
    found = lines(
        told(1.0, "download"),
        (1.1, "out", '{"type": "error", "id": "r1", "error": "no"}'),
        (1.2, "out", '{"type": "result", "id": ["x"]}'),
        (1.3, "err", "{}"),
        (1.4, "out", "hello"),
    )
    assert kinds_and_names(found) == [
        ("command", "download"),
        ("refusal", "download"),
        ("reply", "unknown command"),
        ("stderr", "stderr"),
        ("other", "no protocol line"),
    ]


def failed(text: str, *records: dict[str, object], nodes: list[NodeLines] | None = None) -> Failure:
    return failure_of(text, [msgspec.convert(one, Record) for one in records], nodes or [])


def test_a_failed_wait(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    result = read_results(run).scenarios[1]
    failure = scenario_view(read_scenario(run, result)).failure
    assert failure is not None
    assert failure.expectation == "client: download-finished of ggoo"
    assert (failure.kind, failure.node, failure.since, failure.at) == ("wait", "client", 2.0, 5.0)
    assert failure.cause.startswith("Nothing moved any more: the last line")
    assert failure.wanted == "event download-finished with game_id='ggoo'"
    assert failure.got == "download-progress x2, peer-disconnected x1"
    assert [line.split()[0] for line in failure.near] == ["2.300"]
    assert failure.where == LOSSES
    assert failure.also == ["always: no staging left: client: .lanspread is left"]
    assert (failure.lane, failure.line) == ("client", 11)
    assert failure.text == FAILED_WAIT


def test_findings_stand_below_each_other(tmp_path: Path) -> None:
    rules = [
        check(
            1.0,
            f"always: {what}",
            check_kind="always",
            passed=False,
            detail="one\n  two\n    of it",
        )
        for what in ("a", "b")
    ]
    write_scenario(tmp_path / "S1", rules, {})
    result = ScenarioResult("S1", "Two", "failed", 1.0, failure="always: a: one", folder="S1")
    view = scenario_view(read_scenario(tmp_path, result))
    assert view.failure is not None
    assert view.failure.got == "one\ntwo\n  of it"
    assert list(view.failure.also) == ["always: b: one\ntwo\n  of it"]
    assert [one.detail for one in view.expectations] == ["one\ntwo\n  of it"] * 2


@pytest.mark.parametrize(
    ("records", "stopped"),
    [
        ([check(1.0, "a"), check(2.0, "b", passed=False, detail="x")], 2.0),
        ([check(2.0, "b", passed=False, detail="x"), check(3.0, "always: c", check_kind="always",
            passed=False, detail="y")], 2.0),
        ([check(2.0, "b", passed=False, detail="x"), check(3.0, "c")], None),
        ([check(2.0, "b", passed=False, detail="x"), check(3.0, "c", passed=False)], None),
        ([check(1.0, "a"), check(3.0, "always: c", check_kind="always", passed=False)], None),
        ([record("step", 4.0, text="x")], 4.0),
    ],
)  # fmt: skip
def test_when_a_failure_ended_the_scenario(
    tmp_path: Path, records: list[dict[str, object]], stopped: float | None
) -> None:
    write_scenario(tmp_path / "S1", records, {})
    result = ScenarioResult("S1", "Ended", "failed", 1.0, failure="b: x", folder="S1")
    assert scenario_view(read_scenario(tmp_path, result)).stopped == stopped


def test_the_statement_that_failed_is_quoted_whole() -> None:
    lines_shown = source_lines(LOSSES)
    assert len(lines_shown) >= 5
    assert lines_shown[-1][1]
    assert not lines_shown[0][1]
    assert source_lines(LOSSES.replace("65", "999999")) == []
    assert source_lines("test_nowhere.py:1") == []
    assert source_lines("") == []


def test_a_failed_check_says_what_was_wanted_and_what_came() -> None:
    client = node("client", lines(ready(1.0, "client"), ready(3.0, "client")))
    failure = failed(
        "sources: got 3, wanted 1",
        check(
            2.0,
            "sources",
            passed=False,
            detail="got 3, wanted 1",
            cause="check",
            got="3",
            wanted="1",
        ),
        nodes=[client],
    )
    assert (failure.kind, failure.wanted, failure.got) == ("check", "1", "3")
    assert (failure.node, failure.lane, failure.line) == ("", "client", 1)


def test_of_a_large_value_what_differs_is_shown() -> None:
    detail = "\n  css.size: got 3149207, wanted 3479\n  coh: missing, wanted {}"
    failure = failed(f"games: {detail}", check(2.0, "games", passed=False, detail=detail))
    assert failure.wanted == ""
    assert failure.got == "css.size: got 3149207, wanted 3479\ncoh: missing, wanted {}"


def test_a_failed_check_leads_to_what_the_scenario_had_read() -> None:
    said = lines(ready(1.0, "a"), reply(1.1), ready(1.2, "a"))
    nodes = [node("alpha", said), node("client#2", said)]
    read = check(2.0, "sources", passed=False, detail="x", read="client-2.jsonl:2")
    failure = failed("sources: x", read, nodes=nodes)
    assert (failure.node, failure.lane, failure.line, failure.at) == (
        "",
        "client#2",
        2,
        2.0,
    )


def test_a_broken_rule_leads_to_the_line_and_the_moment_it_was_broken() -> None:
    said = lines(ready(1.0, "a"), ready(1.1, "a"), ready(1.2, "a"))
    nodes = [node("alpha", said), node("alpha#2", said)]
    rule = check(
        9.0, "always: gapless seq", check_kind="always", passed=False,
        detail="…", node="alpha#2", found_at="alpha-2.jsonl:2", read="alpha.jsonl:1",
    )  # fmt: skip
    failure = failed("always: gapless seq: …", rule, nodes=nodes)
    assert (failure.node, failure.lane, failure.line) == ("alpha#2", "alpha#2", 2)
    assert (failure.since, failure.at) == (1.1, 1.1)


def test_a_broken_rule_without_a_line_leads_to_the_last_one_of_its_node() -> None:
    nodes = [node("alpha", lines(ready(1.0, "a"))), node("bravo", lines(ready(1.1, "b")))]
    rule = check(
        9.0, "always: right exit code", check_kind="always", passed=False,
        detail="alpha ended with 7", node="alpha", read="bravo.jsonl:1",
    )  # fmt: skip
    failure = failed("always: right exit code: …", rule, nodes=nodes)
    assert (failure.node, failure.lane, failure.line, failure.at) == ("alpha", "alpha", 1, 9.0)


def test_a_node_is_not_guessed_from_names_in_a_text() -> None:
    nodes = [node("alpha", []), node("client#2", [])]
    named = check(1.0, "games of client#2", passed=False, detail="got 'alpha', wanted 'bravo'")
    assert failed("x", named, nodes=nodes).node == ""


def test_the_expectation_that_ended_the_scenario_is_the_one() -> None:
    failure = failed(
        "whatever is said",
        check(1.0, "one", passed=False, detail="bad"),
        check(2.0, "one more", passed=False, detail="bad"),
        a_failure(3.0, "one more", "expectation"),
    )
    assert failure.expectation == "one more"
    assert failure.also == ["one: bad"]


def test_a_refused_command_is_found_by_its_error_reply() -> None:
    said = lines(
        told(1.0, "download"),
        (1.1, "out", '{"type": "error", "id": "r1", "code": "x", "error": "no"}'),
        ready(1.2, "client"),
    )
    failure = failed(
        "whatever is said",
        record("wait", 1.3, node="client", what="reply", wanted="the reply"),
        a_failure(
            1.4, "client refused `download` (x): no", "refused", node="client",
            command="download", refusal="no",
        ),
        nodes=[node("client", said)],
    )  # fmt: skip
    assert (failure.kind, failure.node, failure.got, failure.line) == ("error", "client", "no", 2)
    assert failure.wanted == "download ok"


def test_one_cut_off_says_what_it_waited_for() -> None:
    failure = failed(
        "whatever is said",
        record("wait", 1.3, node="client", what="end", wanted="event never"),
        a_failure(60.0, "Timeout (>60.0s) from pytest-timeout.", "time-up"),
    )
    assert (failure.node, failure.wanted, failure.since) == ("client", "event never", 1.3)


def test_a_failure_without_any_record() -> None:
    failure = failed("")
    assert failure.expectation == "It failed without a word."


def test_allowances_share_what_the_modest_leave() -> None:
    assert allowances([10, 1000, 300], 610) == [10, 300, 300]
    assert allowances([], 5) == []


def test_the_first_and_last_of_each_name_outlive_the_many() -> None:
    many = lines(
        ready(0.0, "alpha"),
        *[event(1.0 + i, "download-progress", downloaded_bytes=i) for i in range(500)],
        event(900.0, "download-failed", game_id="ggoo"),
    )
    shown: list[ShownLine] = shown_lines(many)
    kept = most_telling(shown, 12 * cost(shown[1]))
    numbers = [line[0] for line in kept]
    assert {1, 2, 501, 502} <= set(numbers)
    assert len(numbers) < 15
    assert numbers == sorted(numbers)


def test_a_long_line_is_cut_and_says_so() -> None:
    (line,) = shown_lines(lines((1.0, "err", "x" * 9000)))
    assert (len(line[4]), line[5]) == (4000, 5000)


def test_a_line_cut_off_by_a_kill_is_counted(tmp_path: Path) -> None:
    write_scenario(tmp_path / "S1", [started(0.0, "alpha")], {"alpha": [ready(1.0, "alpha")]})
    with (tmp_path / "S1" / "alpha.jsonl").open("a") as file:
        file.write('{"at": 1.0, "wall": 1')
    result = ScenarioResult("S1", "Cut", "passed", 1.0, folder="S1")
    view = scenario_view(read_scenario(write_run(tmp_path, result), result))
    assert len(view.lanes[0].lines) == 1
    assert view.notes == ["1 lines of its files are cut off and could not be read."]


def test_a_restarted_node_is_a_lane_of_its_own(tmp_path: Path) -> None:
    records = [started(0.0, "alpha"), started(2.0, "alpha#2")]
    write_scenario(
        tmp_path / "S1", records, {"alpha": [ready(1.0, "a")], "alpha-2": [ready(3.0, "a")]}
    )
    result = ScenarioResult("S1", "Again", "passed", 1.0, folder="S1")
    view = scenario_view(read_scenario(write_run(tmp_path, result), result))
    assert [(lane.label, lane.file) for lane in view.lanes] == [
        ("alpha", "S1/alpha.jsonl"),
        ("alpha#2", "S1/alpha-2.jsonl"),
    ]
