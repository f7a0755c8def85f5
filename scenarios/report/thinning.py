"""Selects the lines to show if a run has too many for the page."""

from collections import Counter
from collections.abc import Sequence

from scenarios.core.log import Line
from scenarios.report.activity import kinds_and_names
from scenarios.report.model import ShownLine

LONGEST_LINE = 4000
LINE_COST = 60  # bytes around its text


def shown_lines(lines: Sequence[Line]) -> list[ShownLine]:
    """Return all lines of a node, with long ones truncated."""
    return [
        (
            line.index + 1,
            round(line.at, 6),
            kind,
            name[:200],
            line.text[:LONGEST_LINE],
            max(0, len(line.text) - LONGEST_LINE),
        )
        for line, (kind, name) in zip(lines, kinds_and_names(lines), strict=True)
    ]


def cost(line: ShownLine) -> int:
    """Estimate how many bytes a line takes in the page."""
    text = line[4]
    # Quotes, backslashes and "<" are escaped there; unprintable characters take six bytes or more.
    escaped = text.count('"') + text.count("\\") + 5 * text.count("<")
    strange = 0 if text.isascii() and text.isprintable() else 6 * len(text)
    return LINE_COST + len(text) + escaped + strange


def allowances(wishes: Sequence[int], budget: int) -> list[int]:
    """Divide a budget fairly: small requests are met in full, the rest get equal shares."""
    granted = [0] * len(wishes)
    left = budget
    for place, index in enumerate(sorted(range(len(wishes)), key=lambda one: wishes[one])):
        granted[index] = min(wishes[index], left // (len(wishes) - place))
        left -= granted[index]
    return granted


def most_telling(lines: Sequence[ShownLine], budget: int) -> list[ShownLine]:
    """Return the lines that fit, preferring the first and the last of each name."""
    if sum(map(cost, lines)) <= budget:
        return list(lines)
    totals = Counter((line[2], line[3]) for line in lines)
    met: Counter[tuple[str, str]] = Counter()
    ranked = []
    for line in lines:
        name = (line[2], line[3])
        met[name] += 1
        ranked.append((min(met[name], totals[name] - met[name] + 1), line))
    kept = []
    for _, line in sorted(ranked):
        budget -= cost(line)
        if budget < 0:
            break
        kept.append(line)
    return sorted(kept)
