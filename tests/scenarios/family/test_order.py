"""In which order scenarios run."""

from pathlib import Path

from scenarios.core.scenario import ScenarioInfo
from scenarios.family.discovery import Found, run_order
from scenarios.family.family import Family


def found(scenario_id: str, *, measures: bool = False) -> Found:
    info = ScenarioInfo(scenario_id, "", "", measures=measures)
    return Found(info, Path("test_x.py"), scenario_id.lower(), Family("S", "", "", ""), "test_x")


SCENARIOS = [found("S1", measures=True), found("S2"), found("S3"), found("S4")]
DURATIONS = {"S1": 100.0, "S2": 1.0, "S3": 5.0}


def test_longest_first_unknown_before_them_and_measuring_last() -> None:
    order = run_order(SCENARIOS, DURATIONS)
    assert [turn.found.info.id for turn in order] == ["S4", "S3", "S2", "S1"]
    assert order[0].target == "test_x::s4"


def test_each_has_had_a_turn_before_any_has_its_second() -> None:
    order = run_order(SCENARIOS, DURATIONS, repeat=2)
    assert [turn.target.partition("::")[2] for turn in order] == [
        "s4[1]", "s3[1]", "s2[1]", "s4[2]", "s3[2]", "s2[2]", "s1[1]", "s1[2]",
    ]  # fmt: skip


def test_a_shuffled_order_depends_on_nothing_but_the_seed() -> None:
    one = run_order(SCENARIOS, DURATIONS, repeat=5, shuffle_seed=7)
    assert one == run_order(SCENARIOS[::-1], {}, repeat=5, shuffle_seed=7)
    assert one != run_order(SCENARIOS, DURATIONS, repeat=5, shuffle_seed=8)
    assert {turn.found.info.id for turn in one[-5:]} == {"S1"}
