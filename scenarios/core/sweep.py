"""Removes what runs left behind, by its label: processes, containers, networks."""

import os
import select
import signal
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
    """What was removed, in words for people; ``problems`` is what could not be."""

    processes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.processes or self.containers or self.networks)


def of_dead_runners(label: RunLabel) -> bool:
    """Choose what no living runner is behind: never anything of a run that goes on."""
    return not label.runner_lives()


def of_run(run_id: str) -> Which:
    """Choose everything of one run."""
    return lambda label: label.run_id == run_id


def of_everyone(label: RunLabel) -> bool:
    """Choose everything that carries a label, also of runs that go on."""
    return True


def sweep(which: Which) -> Swept:
    """Remove everything chosen; what cannot be asked (no engine, no /proc) is left out."""
    processes = tuple(sweep_processes(which))
    try:
        containers, networks = sweep_docker(which)
    except BackendError as error:
        return Swept(processes=processes, problems=(str(error),))
    return Swept(processes, tuple(containers), tuple(networks))


def sweep_processes(which: Which) -> list[str]:
    """Kill the chosen processes, frozen ones too, and return their names when they are gone.

    Needs /proc. Elsewhere a node ends by itself when its runner dies, since its stdin ends.
    """
    killed = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        label = _label_of(pid)
        if label is None or pid == os.getpid() or not which(label):
            continue
        try:
            # From here on the descriptor means this process, whoever gets its ID later.
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if _label_of(pid) == label:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                # A descriptor of a process becomes readable when it ends.
                if select.select([descriptor], [], [], GONE_WITHIN_S)[0]:
                    killed.append(f"process {pid} of run {label.run_id}")
        except ProcessLookupError:
            continue
        finally:
            os.close(descriptor)
    return killed


def _label_of(pid: int) -> RunLabel | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None  # gone, or another user's
    prefix = f"{ENVIRONMENT_NAME}=".encode()
    for variable in environment.split(b"\0"):
        if variable.startswith(prefix):
            return parse_label(variable.removeprefix(prefix).decode(errors="replace"))
    return None
