"""The label that every process, container and network of a run carries, and who is behind it."""

import os
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

# In the environment of processes, and the key of the label in Docker.
ENVIRONMENT_NAME = "PEER_SCENARIOS_RUN"
DOCKER_KEY = "peer-scenarios.run"
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")


@dataclass(frozen=True, slots=True)
class RunLabel:
    """Says which process started something. A process ID alone would be taken over by another."""

    run_id: str
    home: str  # the machine (or container) in which ``pid`` means something
    pid: int
    started: str  # when that process started, as its system says it

    def __str__(self) -> str:
        return "/".join((self.run_id, self.home, str(self.pid), self.started))

    def runner_lives(self) -> bool:
        """Whether the runner lives. A runner elsewhere cannot be asked and counts as alive."""
        return self.home != home() or process_started(self.pid) == self.started


def own_label(run_id: str) -> RunLabel:
    """Return the label for what this process starts; ValueError for an odd run ID."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"The run ID {run_id!r} may hold only letters, digits, '.', '_' and '-'.")
    started = process_started(os.getpid())
    if started is None:
        raise RuntimeError("This system does not say when a process started; is /proc mounted?")
    return RunLabel(run_id, home(), os.getpid(), started)


def parse_label(text: str) -> RunLabel | None:
    """Return the label that ``text`` is, or None for anything else."""
    parts = text.split("/")
    if len(parts) != 4 or not parts[2].isdigit():
        return None
    return RunLabel(parts[0], parts[1], int(parts[2]), parts[3])


def home() -> str:
    """Return a name for the process table that this process sees."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}:{''.join(filter(str.isdigit, namespace))}"


def process_started(pid: int) -> str | None:
    """Return when a process started, as an opaque text; None when it is gone or a zombie."""
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything; the state is the 1st field behind it and the
    # start time (in ticks since boot) the 20th (proc_pid_stat(5)).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    # macOS and the BSDs.
    asked = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "-".join(asked.stdout.split()) or None
