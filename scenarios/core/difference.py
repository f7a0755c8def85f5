"""The differences between two values, place by place, so that large values stay readable."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import takewhile
from typing import Any, TypeAlias

Table: TypeAlias = Mapping[Any, Any]

VALUE_SHOWN = 200  # characters of one value


def difference(got: object, want: object, identities: Sequence[str]) -> list[str]:
    """Return a line for each place where the values differ, such as

        css.size: got 3149207, wanted 3479 (+3145728)

    Rows of a list are named by the first field of ``identities`` that all of them have, otherwise
    by position. Empty for equal values.
    """
    return list(_different("", got, want, identities))


def _different(place: str, got: object, want: object, identities: Sequence[str]) -> Iterator[str]:
    if got == want:
        return
    if isinstance(got, Mapping) and isinstance(want, Mapping):
        yield from _by_key(place, got, want, identities)
    elif isinstance(got, Set) and isinstance(want, Set):
        yield from _members(place, {"missing": want - got, "not wanted": got - want})
    elif isinstance(got, list | tuple) and isinstance(want, list | tuple):
        yield from _lists(place, got, want, identities)
    else:
        yield f"{_named(place)}got {_shown(got)}, wanted {_shown(want)}{_apart(got, want)}"


def _lists(
    place: str, got: Sequence[Any], want: Sequence[Any], identities: Sequence[str]
) -> Iterator[str]:
    for identity in identities:
        mine, theirs = _keyed(got, identity), _keyed(want, identity)
        if mine is not None and theirs is not None and mine != theirs:
            yield from _by_key(place, mine, theirs, identities)
            return
    extra, missing = [], list(want)
    for each in got:
        if each in missing:
            missing.remove(each)
        else:
            extra.append(each)
    if not extra and not missing:
        yield f"{_named(place)}in another order: got {_shown(got)}, wanted {_shown(want)}"
    elif len(got) == len(want):
        for at, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            yield from _different(f"{place}[{at}]", mine, theirs, identities)
    else:
        strangers = [each for each in extra if each not in want]
        again = [each for each in extra if each in want]
        found = {"missing": missing, "not wanted": strangers, "too often": again}
        yield from _members(place, found)


def _by_key(place: str, got: Table, want: Table, identities: Sequence[str]) -> Iterator[str]:
    for key in [*want, *(key for key in got if key not in want)]:
        inner = f"{place}.{key}" if place else str(key)
        if key not in got:
            yield f"{inner}: missing, wanted {_shown(want[key])}"
        elif key not in want:
            yield f"{inner}: not wanted, got {_shown(got[key])}"
        else:
            yield from _different(inner, got[key], want[key], identities)


def _members(place: str, found: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    for words, members in found.items():
        yield from sorted(f"{_named(place)}{words}: {_shown(each)}" for each in members)


def _keyed(rows: Sequence[Any], identity: str) -> dict[Any, Any] | None:
    """Return the rows by identity, if all are objects with distinct identities."""
    if not all(isinstance(row, Mapping) and isinstance(row.get(identity), str) for row in rows):
        return None
    keyed = {row[identity]: row for row in rows}
    return keyed if len(keyed) == len(rows) else None


def _apart(got: object, want: object) -> str:
    """Return how far two numbers differ, or where two long texts diverge."""
    if isinstance(got, int) and isinstance(want, int) and max(abs(got), abs(want)) > 999:
        return f" ({got - want:+})"
    if isinstance(got, str) and isinstance(want, str) and max(len(got), len(want)) > VALUE_SHOWN:
        at = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(got, want, strict=False))
        )
        return f" (from place {at} on: {got[at : at + 40]!r}, wanted {want[at : at + 40]!r})"
    return ""


def _named(place: str) -> str:
    return f"{place}: " if place else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= VALUE_SHOWN else text[:VALUE_SHOWN] + "…"
