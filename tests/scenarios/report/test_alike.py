"""Which failures of a run the report takes for one."""

from collections.abc import Sequence

import msgspec

from scenarios.report.alike import alike
from scenarios.report.failure import failure_of
from scenarios.report.model import Failure
from scenarios.report.reading import Record
from tests.scenarios.report.recorded_run import check

TWICE, BYTES = "always: no chunk finished twice", "always: finished bytes are the manifest's"


def one(what: str) -> Failure:
    record = msgspec.convert(check(1.0, what, passed=False, detail="bad"), Record)
    return failure_of(f"{what}: bad", [record], [])


def groups(*found: tuple[str, str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    made = alike((key, one(what), broken) for key, what, broken in found)
    return [(group.what, list(group.keys)) for group in made]


def test_a_broken_rule_unites_what_failed_by_other_names() -> None:
    assert groups(
        ("S1", "the folder", []),
        ("S2", "MiB/s against the limit", [TWICE, BYTES]),
        ("S3", TWICE, [TWICE, BYTES]),
    ) == [(TWICE, ["S3", "S2"]), ("the folder", ["S1"])]


def test_of_several_rules_the_one_that_most_share_counts() -> None:
    assert groups(("S1", BYTES, [BYTES, TWICE]), ("S2", TWICE, [TWICE])) == [(TWICE, ["S2", "S1"])]
    assert groups(("S1", BYTES, [BYTES, TWICE]), ("S2", BYTES, [BYTES])) == [(BYTES, ["S1", "S2"])]


def test_without_a_rule_the_expectation_names_the_group_and_the_largest_comes_first() -> None:
    assert groups(("S1", "a", []), ("S2", "b", []), ("S3", "c", []), ("S4", "b", [])) == [
        ("b", ["S2", "S4"]),
        ("a", ["S1"]),
        ("c", ["S3"]),
    ]
