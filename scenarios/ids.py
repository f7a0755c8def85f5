"""Scenario IDs as people write them: ``S7``, ``s7``, ``S3-S9``, ``S1 S4``, ``S1,S4``."""

import difflib
import re
from collections.abc import Iterable, Sequence

_ONE = re.compile(r"[sS](\d+)")
_RANGE = re.compile(r"[sS](\d+)\s*(?:-|\.\.)\s*[sS]?(\d+)")


class UnknownScenarioError(ValueError):
    """An ID or range that names no scenario; the message lists near ones."""


def sort_key(scenario_id: str) -> tuple[int, str]:
    """Order S2 before S10."""
    match = _ONE.fullmatch(scenario_id)
    return (int(match[1]), "") if match else (10**9, scenario_id)


def select_ids(texts: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the known IDs that ``texts`` names, each once, in order; no text names them all.

    A range takes what exists between its ends (S3-S9 with a gap is fine) but must hold at least
    one scenario. Raises UnknownScenarioError.
    """
    ordered = sorted(known, key=sort_key)
    words = [word for text in texts for word in re.split(r"[,;\s]+", _close_ranges(text)) if word]
    if not words:
        return ordered
    chosen: set[str] = set()
    for word in words:
        chosen.update(_matches(word, ordered))
    return [scenario_id for scenario_id in ordered if scenario_id in chosen]


def near_ids(word: str, known: Sequence[str]) -> list[str]:
    """Return up to five known IDs that a person who wrote ``word`` may have meant."""
    digits = re.sub(r"\D", "", word)
    similar = difflib.get_close_matches(word.upper(), known, n=5, cutoff=0.6)
    if not digits:
        return similar or list(known[:5])
    number = int(digits)
    closest = sorted(known, key=lambda known_id: abs(sort_key(known_id)[0] - number))[:3]
    return sorted(dict.fromkeys([*closest, *similar][:5]), key=sort_key)


def _close_ranges(text: str) -> str:
    """Drop spaces around a range's dash, so that "S3 - S9" is one word."""
    return _RANGE.sub(r"S\1-S\2", text)


def _matches(word: str, ordered: Sequence[str]) -> list[str]:
    if one := _ONE.fullmatch(word):
        matching = [known_id for known_id in ordered if known_id == f"S{int(one[1])}"]
    elif span := _RANGE.fullmatch(word):
        low, high = sorted((int(span[1]), int(span[2])))
        matching = [known_id for known_id in ordered if low <= sort_key(known_id)[0] <= high]
    else:
        matching = [known_id for known_id in ordered if known_id.upper() == word.upper()]
    if not matching:
        near = ", ".join(near_ids(word, ordered)) or "none, there are no scenarios"
        raise UnknownScenarioError(
            f"There is no scenario {word}. Near ones: {near}. "
            "`python -m scenarios list` shows them all."
        )
    return matching
