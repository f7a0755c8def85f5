"""The judge of disorder knows what may be lost, and what may not."""

import pytest

from scenarios.families.folder_sync.judge import Deed, judge

ONE = Deed("alpha", "a", "1", None)
TWO = Deed("bravo", "a", "2", "1")
OTHER = Deed("charlie", "a", "3", "1")
GONE = Deed("charlie", "a", None, "1")
MOVED = (GONE, Deed("charlie", "b", "1", None))


@pytest.mark.parametrize(
    ("deeds", "final"),
    [
        ((ONE,), {"a": "1"}),
        ((ONE, TWO), {"a": "2"}),
        ((ONE, TWO, OTHER), {"a": "2", "a.sync-conflict-x": "3"}),
        ((ONE, TWO, GONE), {"a": "2"}),
        ((ONE, GONE), {}),
        ((ONE, *MOVED), {"b": "1"}),
        ((ONE, *MOVED, TWO), {"a": "2", "b": "1"}),
    ],
)
def test_what_is_right(deeds: tuple[Deed, ...], final: dict[str, str]) -> None:
    assert judge(deeds, final) == []


@pytest.mark.parametrize(
    ("deeds", "final", "says"),
    [
        ((ONE,), {}, "lost: alpha wrote '1' to a"),
        ((ONE, TWO, OTHER), {"a": "2"}, "lost: charlie wrote '3'"),
        ((ONE, TWO), {"a": "1", "x.sync-conflict-x": "2"}, "came back: a is '1'"),
        ((ONE, GONE), {"a": "1"}, "came back"),
        ((ONE,), {"a": "1", "b": "1"}, "nobody wrote to that name"),
        ((ONE,), {"a": "1", "b": "half"}, "nobody ever wrote"),
        ((ONE, *MOVED), {}, "lost: charlie wrote '1' to b"),
    ],
)
def test_what_is_wrong(deeds: tuple[Deed, ...], final: dict[str, str], says: str) -> None:
    [found] = judge(deeds, final)
    assert says in found
