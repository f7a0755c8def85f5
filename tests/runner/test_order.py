"""In which order scenarios run."""

from pathlib import Path

from scenarios.core.scenario import ScenarioInfo
from scenarios.discovery import Found, run_order


def found(scenario_id: str, *, measures: bool = False) -> Found:
    info = ScenarioInfo(scenario_id, "", "", measures=measures)
    return Found(info, Path("test_x.py"), "x")


def test_longest_first_unknown_before_them_and_measuring_last() -> None:
    scenarios = [found("S1", measures=True), found("S2"), found("S3"), found("S4")]
    order = run_order(scenarios, {"S1": 100.0, "S2": 1.0, "S3": 5.0})
    assert [one.info.id for one in order] == ["S4", "S3", "S2", "S1"]
