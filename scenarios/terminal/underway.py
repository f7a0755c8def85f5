"""What is running now, read from the files that scenarios write while they run."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from scenarios.core.scene import SCENARIO_FILE
from scenarios.family.story import Movement


@dataclass
class Underway:
    """A running turn of a scenario. ``began`` is a value of time.monotonic()."""

    id: str
    name: str
    folder: Path
    moves: Mapping[str, Callable[[Mapping[str, Any]], Movement]] = field(default_factory=dict)
    expected_s: float | None = None
    began: float = field(default_factory=time.monotonic)
    step: str = ""
    doing: str = "starts"
    alive: set[str] = field(default_factory=set)
    _speeds: dict[tuple[str, str], float] = field(default_factory=dict)
    _moved: dict[tuple[str, str], int] = field(default_factory=dict)
    _tails: dict[Path, "_Tail"] = field(default_factory=dict)

    @property
    def bytes_moved(self) -> int:
        """How many bytes the nodes have downloaded."""
        return sum(self._moved.values())

    @property
    def bytes_per_second(self) -> float:
        """Their current download rate."""
        return sum(self._speeds.values())

    def refresh(self) -> None:
        """Read what was written since the last call."""
        # The line's text is JSON within JSON.
        telling = [f'\\"{name}\\"'.encode() for name in self.moves]
        for file in sorted(self.folder.glob("*.jsonl")):
            tail = self._tails.setdefault(file, _Tail(file))
            for line in tail.lines():
                if file.name == SCENARIO_FILE:
                    self.take_record(json.loads(line))
                elif any(name in line for name in telling):
                    self.take_line(file.stem, json.loads(line))

    def take_record(self, record: Mapping[str, Any]) -> None:
        """Process one record of scenario.jsonl."""
        match record["kind"]:
            case "step":
                self.step = self.doing = str(record["text"])
            case "node-starting" | "node-started":
                self.alive.add(str(record["node"]))
                self.doing = f"starts {record['node']}"
            case "node-ended":
                self.alive.discard(str(record["node"]))
            case "wait":
                self.doing = f"waits for {record['what']}"
            case "check" if record["check_kind"] == "always":
                self.doing = "is judged"
            case "check" | "fault":
                self.doing = str(record["what"])

    def take_line(self, node: str, line: Mapping[str, Any]) -> None:
        """Process one line of a node."""
        try:
            message = json.loads(line["text"])
            moved = self.moves[message["event"]](message["data"])
        except (ValueError, KeyError, TypeError):
            return  # not an event, or a malformed one, which the checks report
        key = (node, moved.item)
        if moved.bytes is not None:
            self._moved[key] = moved.bytes
        if moved.bytes_per_second is not None:
            self._speeds[key] = moved.bytes_per_second
        else:
            self._speeds.pop(key, None)


class _Tail:
    """A growing file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0

    def lines(self) -> Iterator[bytes]:
        """Return the complete lines added since the last call."""
        with self._file.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield line


def time_left(
    waiting: Iterable[tuple[float | None, bool]],
    running: Iterable[tuple[float | None, float]],
    jobs: int,
) -> float | None:
    """Return the seconds until all is done, or None if no duration is known.

    ``waiting``: each duration, and whether it must run alone. ``running``: each duration, and the
    time since its start. An unknown duration counts as the mean of the others.
    """
    waiting, running = list(waiting), list(running)
    known = [takes for takes, _ in (*waiting, *running) if takes is not None]
    if not known:
        return None
    usual = mean(known)
    side_by_side = [usual if takes is None else takes for takes, alone in waiting if not alone]
    one_by_one = [usual if takes is None else takes for takes, alone in waiting if alone]
    rest = [max(0.0, (usual if takes is None else takes) - since) for takes, since in running]
    longest = max([*side_by_side, *rest], default=0.0)
    return max(longest, (sum(side_by_side) + sum(rest)) / jobs) + sum(one_by_one)
