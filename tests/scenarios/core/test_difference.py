"""What is said of two values that are not equal."""

import pytest

from scenarios.core.difference import VALUE_SHOWN, difference

ROW = {"id": "css", "size": 3479, "version": "1"}
OTHER = {"id": "coh", "size": 5, "version": "1"}


@pytest.mark.parametrize(
    ("got", "want", "lines"),
    [
        ([1], [1], []),
        (1, "1", ["got 1, wanted '1'"]),
        (4000, 3000, ["got 4000, wanted 3000 (+1000)"]),
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": 2}, "c": 2}, ["a.b: got 1, wanted 2"]),
        ({"a": None}, {"b": 1}, ["b: missing, wanted 1", "a: not wanted, got None"]),
        ({"x", "y"}, {"y", "z"}, ["missing: 'z'", "not wanted: 'x'"]),
        ([ROW | {"size": 3149207}, OTHER], [ROW, OTHER],
         ["css.size: got 3149207, wanted 3479 (+3145728)"]),
        ([OTHER], [ROW, OTHER], [f"css: missing, wanted {ROW}"]),
        ([ROW, OTHER], [OTHER, ROW],
         [f"in another order: got {[ROW, OTHER]}, wanted {[OTHER, ROW]}"]),
        ([ROW, ROW], [ROW], [f"too often: {ROW}"]),
        (("a", "b"), ("a", "c"), ["[1]: got 'b', wanted 'c'"]),
        (["a", "a", "b"], ["a"], ["not wanted: 'b'", "too often: 'a'"]),
        (["a"], ["b", "a"], ["missing: 'b'"]),
        ({"games": [ROW]}, {"games": [ROW | {"version": "2"}]},
         ["games.css.version: got '1', wanted '2'"]),
    ],
)  # fmt: skip
def test_places_that_differ(got: object, want: object, lines: list[str]) -> None:
    assert difference(got, want, ["id"]) == lines


def test_a_long_value_is_cut() -> None:
    (line,) = difference(["x" * 1000, 1], ["x" * 999, 1], [])
    assert line.startswith("[0]: got 'xxx")
    assert line.endswith("xxx… (from place 999 on: 'x', wanted '')")
    assert len(line) < 2 * VALUE_SHOWN + 80
