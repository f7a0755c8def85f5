"""What a run is told, written into its folder so that every worker reads the same."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

FILE = "settings.json"
DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of one run on one backend."""

    run_id: str
    backend: str
    clock_start: float  # of time.monotonic(), which all processes of a machine share
    image: str = ""  # docker only
    keep: bool = False
    pcap: bool = False
    timeout_factor: float = 1.0
    seed: int = DEFAULT_SEED
    repeat: int = 1
    peer_command: tuple[str, ...] = ()  # of a foreign peer, as a process; empty: this project's
    peer_image: str = ""  # of a foreign peer, in a container

    def save(self, run_folder: Path) -> None:
        """Write the settings into the run's folder."""
        (run_folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def load(cls, run_folder: Path) -> "RunSettings":
        """Read the settings of the run that writes into this folder."""
        return msgspec.json.decode((run_folder / FILE).read_bytes(), type=cls)
