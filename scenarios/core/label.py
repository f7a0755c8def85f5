"""The label on every process, container and network of a run, which names its runner."""

import os
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

# An environment variable of processes, and the label's key in Docker.
ENVIRONMENT_NAME = "PEER_SCENARIOS_RUN"
DOCKER_KEY = "peer-scenarios.running.run"
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")


@dataclass(frozen=True, slots=True)
class RunLabel:
    """Identifies the runner process. A process ID alone could be reused by another process."""

    run_id: str
    home: str  # the machine (or container) in which ``pid`` means something
    pid: int
    started: str  # when that process started, as its system reports it

    def __str__(self) -> str:
        return "/".join((self.run_id, self.home, str(self.pid), self.started))

    def runner_lives(self) -> bool:
        """Whether the runner is alive; one on another machine always counts as alive."""
        return self.home != home() or process_started(self.pid) == self.started


def own_label(run_id: str) -> RunLabel:
    """Return the label for what this process starts. Raises ValueError for an invalid run ID."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"The run ID {run_id!r} may hold only letters, digits, '.', '_' and '-'.")
    started = process_started(os.getpid())
    if started is None:
        raise RuntimeError("This system does not say when a process started; is /proc mounted?")
    return RunLabel(run_id, home(), os.getpid(), started)


def parse_label(text: str) -> RunLabel | None:
    """Parse a label; None if ``text`` is not one."""
    parts = text.split("/")
    if len(parts) != 4 or not parts[2].isdigit():
        return None
    return RunLabel(parts[0], parts[1], int(parts[2]), parts[3])


def home() -> str:
    """Return a name for this machine's (or container's) process table."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}:{''.join(filter(str.isdigit, namespace))}"


def process_started(pid: int) -> str | None:
    """Return when a process started, as an opaque text; None if it is gone or a zombie."""
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may contain anything. After it, the state is the 1st field and the
    # start time (in ticks since boot) the 20th (proc_pid_stat(5)).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    # macOS and the BSDs.
    asked = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "-".join(asked.stdout.split()) or None
