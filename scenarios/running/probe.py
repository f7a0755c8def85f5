"""Tries foreign programs before a run: a mistyped command would fail every scenario."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from scenarios.core.backends.base import Backend, BackendError
from scenarios.core.errors import NodeGone, WaitFailed
from scenarios.core.log import describe_end
from scenarios.core.timeouts import Timeouts
from scenarios.core.trial import Trial
from scenarios.family.family import Family, Foreign, as_options, under_test
from scenarios.family.live import LiveNode, LivePlace
from scenarios.running.settings import RunSettings

FIRST_LINES = 10


def try_foreign(
    settings: RunSettings, families: Iterable[Family], backend: Backend, folder: Path
) -> None:
    """Start each foreign program as a live node, until it is ready, and end it.

    ``folder`` is scratch space. A program that cannot be one is not tried. Raises BackendError
    with the program's first lines.
    """
    for family in families:
        for live in family.live.values():
            key = f"{family.name}.{live.program}"
            if key in settings.foreign:
                _try(family, live, {key: settings.foreign[key]}, settings, backend, folder)


def _try(
    family: Family,
    live: LiveNode,
    foreign: dict[str, Foreign],
    settings: RunSettings,
    backend: Backend,
    folder: Path,
) -> None:
    program = under_test(family, foreign, {}).programs[live.program]
    folder.mkdir()
    address = backend.new_address()
    place = LivePlace("tried", folder, f"{address}:0")
    ready_event = live.ready_event or family.words.ready_event
    spec = replace(live.prepare(place, program).spec, address=address, ready_event=ready_event)
    trial = Trial(backend, folder, timeouts=Timeouts(settings.timeout_factor))
    try:
        trial.start(spec)
    except (BackendError, WaitFailed, NodeGone) as error:
        raise BackendError(
            _complaint(trial, as_options(foreign), error, spec.ready_event)
        ) from error
    finally:
        trial.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _complaint(trial: Trial, option: str, error: Exception, ready_event: str | None) -> str:
    if isinstance(error, BackendError):
        return f"{option} cannot be tested: {error}"
    log = trial.nodes[0].log
    ending = f"it {describe_end(log.ended)}" if log.ended else "it still runs"
    lines = [line.text for line in log.lines() if line.stream != "in"][:FIRST_LINES]
    said = "\n".join(f"  {line}" for line in lines) or "  nothing"
    return (
        f"{option} cannot be tested: {ready_event} did not come, and {ending}. Its first lines "
        f"were:\n{said}"
    )
