"""Scenario IDs as people write them: ``S7``, ``s7``, ``S3-S9``, ``S1 S4``, ``S1,T4``, ``lan``.

The letter identifies the family.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

_ONE = re.compile(r"([A-Za-z])(\d+)")
_RANGE = re.compile(r"([A-Za-z])(\d+)\s*(?:-|\.\.)\s*(?:(?i:\1))?(\d+)")
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


class UnknownScenarioError(ValueError):
    """An ID or range matches no scenario; the message lists similar ones."""


def sort_key(scenario_id: str) -> tuple[str, int]:
    """Order S2 before S10, and both before T1."""
    match = _ONE.fullmatch(scenario_id)
    return (match[1].upper(), int(match[2])) if match else (scenario_id, 0)


def select_ids(
    texts: Iterable[str], known: Iterable[str], families: Mapping[str, str] = _NO_NAMES
) -> list[str]:
    """Return the known IDs that ``texts`` select, each once, in order (default: all).

    ``families`` are names that select all IDs of a letter. A range may have gaps, but must include
    at least one scenario. Raises UnknownScenarioError.
    """
    ordered = sorted(known, key=sort_key)
    words = [word for text in texts for word in re.split(r"[,;\s]+", _close_ranges(text)) if word]
    if not words:
        return ordered
    chosen: set[str] = set()
    for word in words:
        chosen.update(_matches(word, ordered, families))
    return [scenario_id for scenario_id in ordered if scenario_id in chosen]


def near_ids(word: str, known: Sequence[str]) -> list[str]:
    """Return up to five known IDs similar to ``word``."""
    digits = re.sub(r"\D", "", word)
    similar = difflib.get_close_matches(word.upper(), known, n=5, cutoff=0.6)
    if not digits:
        return similar or list(known[:5])
    number, letter = int(digits), word[:1].upper()
    closest = sorted(
        known,
        key=lambda one: (sort_key(one)[0] != letter, abs(sort_key(one)[1] - number)),
    )[:3]
    return sorted(dict.fromkeys([*closest, *similar][:5]), key=sort_key)


def _close_ranges(text: str) -> str:
    """Remove spaces around a range's dash, so that "S3 - S9" is one word."""
    return _RANGE.sub(r"\1\2-\1\3", text)


def _matches(word: str, ordered: Sequence[str], families: Mapping[str, str]) -> list[str]:
    if one := _ONE.fullmatch(word):
        wanted = f"{one[1].upper()}{int(one[2])}"
        matching = [known_id for known_id in ordered if known_id == wanted]
    elif span := _RANGE.fullmatch(word):
        low, high = sorted((int(span[2]), int(span[3])))
        matching = [
            known_id
            for known_id in ordered
            if (span[1].upper(), low) <= sort_key(known_id) <= (span[1].upper(), high)
        ]
    elif letter := families.get(word.lower()):
        matching = [known_id for known_id in ordered if sort_key(known_id)[0] == letter]
    else:
        matching = [known_id for known_id in ordered if known_id.upper() == word.upper()]
    if not matching:
        near = ", ".join(near_ids(word, ordered)) or "none, there are no scenarios"
        raise UnknownScenarioError(
            f"There is no scenario {word}. Near ones: {near}. "
            "`python -m scenarios list` shows them all."
        )
    return matching
