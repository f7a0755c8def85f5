"""What runs at this moment, told by the files that scenarios write while they run."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

# What ends a download, and with it its part in what moves.
_OVER = frozenset(
    ["download-finished", "download-failed", "download-cancelled", "download-peers-gone"]
)


@dataclass
class Underway:
    """A scenario's turn that runs. ``began`` is of time.monotonic()."""

    id: str
    name: str
    folder: Path
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
        """How much the nodes have downloaded."""
        return sum(self._moved.values())

    @property
    def bytes_per_second(self) -> float:
        """How fast they do at present."""
        return sum(self._speeds.values())

    def refresh(self) -> None:
        """Take in what was written since the last time."""
        for file in sorted(self.folder.glob("*.jsonl")):
            tail = self._tails.setdefault(file, _Tail(file))
            for line in tail.lines():
                if file.name == "scenario.jsonl":
                    self.take_record(json.loads(line))
                elif b'\\"download-' in line:  # the text is JSON within JSON
                    self.take_line(file.stem, json.loads(line))

    def take_record(self, record: Mapping[str, Any]) -> None:
        """Take one record of scenario.jsonl."""
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
        """Take one line of a node."""
        try:
            message = json.loads(line["text"])
            name, data = message["event"], message["data"]
            key = (node, data["game_id"])
            if name == "download-progress":
                self._moved[key] = data["downloaded_bytes"]
                self._speeds[key] = data["bytes_per_second"]
            elif name in _OVER:
                self._speeds.pop(key, None)
        except (ValueError, KeyError, TypeError):
            return  # no event, or a node that says it wrong, of which the checks tell


class _Tail:
    """A file that grows."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0

    def lines(self) -> Iterator[bytes]:
        """Return the whole lines that were added since the last time."""
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
    """Return the seconds until all is done, or None when no duration is known.

    ``waiting``: what each takes, and whether it must run alone. ``running``: what each takes, and
    since when it runs. A duration that is not known counts as the mean of the others.
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
