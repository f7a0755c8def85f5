"""Removes leftovers of runs by their label: processes, containers, networks."""

import os
import re
import select
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from scenarios.core.backends.base import BackendError
from scenarios.core.backends.docker_engine import sweep_docker
from scenarios.core.label import ENVIRONMENT_NAME, RunLabel, parse_label

GONE_WITHIN_S = 10.0
Which: TypeAlias = Callable[[RunLabel], bool]


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed, as texts for people; ``problems`` is what could not be removed."""

    processes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.processes or self.containers or self.networks)


def of_dead_runners(label: RunLabel) -> bool:
    """Select leftovers of runners that are gone; never anything of an active run."""
    return not label.runner_lives()


def of_run(run_id: str) -> Which:
    """Select everything of one run."""
    return lambda label: label.run_id == run_id


def sweep(which: Which) -> Swept:
    """Remove everything selected; skips what is unavailable (no engine, no /proc)."""
    processes = tuple(sweep_processes(which))
    try:
        containers, networks = sweep_docker(which)
    except BackendError as error:
        return Swept(processes=processes, problems=(str(error),))
    return Swept(processes, tuple(containers), tuple(networks))


def sweep_processes(which: Which) -> list[str]:
    """Kill the selected processes, even frozen ones; return their names once they are gone.

    Needs /proc. Elsewhere a node exits by itself when its runner dies, since its stdin closes.
    """
    killed = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        label = _label_of(pid)
        if label is None or pid == os.getpid() or not which(label):
            continue
        try:
            # From here on the descriptor refers to this process, even if its ID is reused.
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if _label_of(pid) == label:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                # A pidfd becomes readable when the process ends.
                if select.select([descriptor], [], [], GONE_WITHIN_S)[0]:
                    killed.append(f"process {pid} of run {label.run_id}")
        except ProcessLookupError:
            continue
        finally:
            os.close(descriptor)
    return killed


def release_mounts(folder: Path) -> list[str]:
    """Detach every FUSE file system that a killed node has left below a folder; return where.

    Needs /proc.
    """
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return []
    released = []
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, place, kind, *_ = line.split(" ")
        # Blanks and the like are octal there (proc_pid_mounts(5)).
        where = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)
        if kind.startswith("fuse") and Path(where).is_relative_to(folder.resolve()):
            tool = ["umount", "--lazy"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
            if subprocess.run([*tool, where], capture_output=True, check=False).returncode == 0:
                released.append(where)
    return released


def _label_of(pid: int) -> RunLabel | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None  # gone, or owned by another user
    prefix = f"{ENVIRONMENT_NAME}=".encode()
    for variable in environment.split(b"\0"):
        if variable.startswith(prefix):
            return parse_label(variable.removeprefix(prefix).decode(errors="replace"))
    return None
