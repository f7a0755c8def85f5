"""What measurements come to: tables, targets, and the files that keep them."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.foreign import NotHere
from benchmarks.measuring import table_of

Columns = dict[str, list[float]]  # the numbers of each round, by way


@dataclass(frozen=True, slots=True)
class Target:
    """A target, and what it came to: at least ``wanted``, or at most with ``most``."""

    what: str
    got: float
    wanted: float
    most: bool = False

    @property
    def held(self) -> bool:
        """Whether it was met."""
        return self.got <= self.wanted if self.most else self.got >= self.wanted

    def __str__(self) -> str:
        bound, verdict = "at most" if self.most else "at least", "held" if self.held else "MISSED"
        return f"{self.what}: {self.got:.3g} ({bound} {self.wanted:g}): {verdict}"


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured, by unit and way, and why some is missing."""

    figures: dict[str, Columns] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def told(self, name: str) -> Iterator[None]:
        """Note why something cannot be measured here."""
        try:
            yield
        except NotHere as reason:
            self.skipped[name] = str(reason)

    def medians(self, unit: str) -> dict[str, float]:
        """Return the median of each way."""
        return {way: statistics.median(each) for way, each in self.figures.get(unit, {}).items()}


def write(
    folder: Path, name: str, about: Mapping[str, object], found: Found, targets: Sequence[Target]
) -> int:
    """Write name.json and name.md, print the tables; return the exit code."""
    machine = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
    }
    values = {
        "about": {**machine, **about},
        **asdict(found),
        "targets": [{**asdict(target), "held": target.held} for target in targets],
    }
    parts = [
        *(table_of(unit, ways) for unit, ways in found.figures.items()),
        "\n".join(f"- {target}" for target in targets),
        "\n".join(
            f"- not measured, or not each time: {one}: {why}" for one, why in found.skipped.items()
        ),
    ]
    text = "\n\n".join(filter(None, parts))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
    (folder / f"{name}.md").write_text(f"{text}\n", encoding="utf-8")
    print(text)
    print(f"\nWritten to {folder}/.", file=sys.stderr)
    return int(not all(target.held for target in targets))
