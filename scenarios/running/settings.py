"""The settings of a run, written into its folder for all workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from scenarios.family.family import Foreign
from scenarios.results.results import DEFAULT_SEED

FILE = "settings.json"
FULL_LENGTH_FACTOR = 5.0  # how much longer all timeouts are then


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of one run on one backend."""

    run_id: str
    backend: str
    clock_start: float  # time.monotonic(), which all processes of a machine share
    runner: str = ""  # the label of the runner's process
    images: Mapping[str, str] = field(default_factory=dict)  # docker only: tags by target
    keep: bool = False
    pcap: bool = False
    timeout_factor: float = 1.0
    seed: int = DEFAULT_SEED
    repeat: int = 1
    full_length: bool = False  # scenarios take and move what their specification says
    # By family and program ("lan.peer").
    foreign: Mapping[str, Foreign] = field(default_factory=dict)

    @property
    def patience(self) -> float:
        """What all timeouts are multiplied by."""
        return self.timeout_factor * (FULL_LENGTH_FACTOR if self.full_length else 1.0)

    def save(self, run_folder: Path) -> None:
        """Write the settings into the run's folder."""
        (run_folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def load(cls, run_folder: Path) -> "RunSettings":
        """Read the settings of the run that writes into this folder."""
        return msgspec.json.decode((run_folder / FILE).read_bytes(), type=cls)
