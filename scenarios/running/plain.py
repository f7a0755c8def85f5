"""Scenarios under plain pytest, with the usual run folder, results, report and history."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.core.scenario import info_of
from scenarios.family.discovery import Found, Turn, every_family, family_of_module, folder_of
from scenarios.running.items import folder_key, settings_key

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

TOLD_WORKERS = "scenario_run"  # the key under which xdist passes the folder to workers


class PlainRun:
    """A pytest plugin that starts a run if scenarios are selected, on the backend "auto"."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._end: Callable[[], object] = lambda: None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Start the run before xdist's workers, if the command line names scenarios."""
        if getattr(self._config.option, "numprocesses", None) and self._asked_for_scenarios():
            self._begin([])

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: "WorkerController") -> None:
        """Tell an xdist worker its run."""
        if folder := self._config.stash.get(folder_key, None):
            node.workerinput[TOLD_WORKERS] = str(folder)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the run once the items are collected."""
        config = self._config
        items = [item for item in session.items if info_of(item)]
        if items and not config.option.collectonly and folder_key not in config.stash:
            self._begin(items)

    def pytest_unconfigure(self) -> None:
        """Write the results."""
        self._end()

    def _begin(self, items: list[pytest.Item]) -> None:
        # Imported lazily, since every run of the unit tests loads this module.
        from scenarios.running.backends import choose_backend
        from scenarios.running.reporter import PlainReporter
        from scenarios.running.run import RunRequest, begin_run, end_run

        config = self._config
        turns = [_turn(item) for item in items]
        families = {turn.found.family for turn in turns} or set(every_family())
        request = RunRequest(
            jobs=1,
            root=config.rootpath,
            command="pytest " + " ".join(config.invocation_params.args),
        )
        run = begin_run(request, choose_backend("auto"), families)
        config.stash[settings_key], config.stash[folder_key] = run.settings, run.folder
        reporter = PlainReporter(folder=run.folder, info=run.info, turns=turns)
        config.pluginmanager.register(reporter, "scenarios-reporter")
        self._end = lambda: end_run(request, run, reporter)

    def _asked_for_scenarios(self) -> bool:
        """Whether a path on the command line is in a family's folder, or contains one."""
        asked = [Path(word.partition("::")[0]).resolve() for word in self._config.args]
        return any(
            (inside / "family.py").is_file() for one in asked for inside in (one, *one.parents)
        ) or any(
            one in folder.parents for one in asked for folder in map(folder_of, every_family())
        )


def _turn(item: pytest.Item) -> Turn:
    info = info_of(item)
    assert info is not None
    assert isinstance(item, pytest.Function)
    family = family_of_module(item.module.__name__)
    return Turn(Found(info, item.path, item.originalname, family, item.module.__name__))
