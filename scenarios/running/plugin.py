"""The pytest plugin that makes marked functions scenarios. Loaded in every worker.

It collects them, provides their nodes, ends and judges these around the call, and attaches the
result to the report of the last phase, as `report.scenario`. The reporter shows and stores results,
in the process that started the run.
"""

import fcntl
import inspect
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionChainRepr

from scenarios.core.backends.base import BackendLacks
from scenarios.core.errors import Cause, UnsupportedCommand
from scenarios.core.printable import printable, printable_lines
from scenarios.core.scenario import info_of
from scenarios.core.scene import Clock, FailureRecord
from scenarios.core.trial import cause_of
from scenarios.family.ids import UnknownScenarioError, select_ids
from scenarios.results.keeping import WORK, link_copies, size_on_disk
from scenarios.results.results import Outcome, ScenarioResult
from scenarios.running import items as scenarios_as_items
from scenarios.running.failure import failure_record, failure_text, keep_failures
from scenarios.running.items import (
    folder_key,
    folder_name,
    item_folder,
    marked,
    repetition_key,
    scenario_items,
    settings_key,
    trial_key,
    trial_of,
    variant_of,
)
from scenarios.running.plain import TOLD_WORKERS, PlainRun
from scenarios.running.settings import RunSettings
from scenarios.running.signals import end_once


class Verdict:
    """The combined result of one scenario's phases."""

    def __init__(self) -> None:
        self.outcome: Outcome = "passed"
        self.cause: Cause | None = None
        self.failures: list[str] = []  # as text
        self.records: list[FailureRecord] = []  # the same as data
        self.reason = ""
        self.duration_s = 0.0

    def add(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """Add one phase; the first that did not pass decides, and a failure overrides a skip."""
        self.duration_s += call.duration
        error = call.excinfo
        if error is None:
            return
        if report.failed:
            self.outcome = "failed"
            cause = _cause_of_failure(item, error.value)
            self.cause = self.cause or cause
            self.failures.append(failure_text(item, error, cause))
            now = Clock(item.config.stash[settings_key].clock_start).now()
            self.records.append(failure_record(item, error, cause, now))
        elif self.outcome == "passed":
            unknown = isinstance(error.value, UnsupportedCommand)
            self.outcome = "unsupported" if unknown else "skipped"
            self.reason = printable_lines(str(error.value))


_verdict_key = pytest.StashKey[Verdict]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the only option, which workers inherit from the process that starts them."""
    parser.getgroup("scenarios").addoption(
        "--scenario-run",
        metavar="FOLDER",
        help="the run's folder, with its settings.json; `python -m scenarios run` makes it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the run's settings."""
    config.addinivalue_line("markers", "scenario(info): the description of a scenario")
    config.pluginmanager.register(scenarios_as_items, "scenarios-items")
    told: Mapping[str, str] = getattr(config, "workerinput", {})
    run = config.getoption("--scenario-run") or told.get(TOLD_WORKERS)
    if run is None:
        config.stash[settings_key] = RunSettings("", "", 0.0)
        config.pluginmanager.register(PlainRun(config), "scenarios-plain-run")
        return
    folder = Path(run)
    if hasattr(config, "workerinput"):  # one of several worker processes
        signals = ExitStack()
        signals.enter_context(end_once())
        config.add_cleanup(signals.close)
    config.stash[folder_key] = folder
    config.stash[settings_key] = RunSettings.load(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Function] | None:
    """Collect a marked function, under any name, once per repetition."""
    info = info_of(obj) if inspect.isfunction(obj) else None
    # An imported scenario belongs to its own module.
    if info is None or getattr(obj, "__module__", "") != _module_of(collector):
        return None
    return scenario_items(collector, name, obj, info)


def _module_of(collector: pytest.Collector) -> str:
    module = collector.getparent(pytest.Module)
    return str(module.obj.__name__) if module else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make `-k S7` select S7 but not S70, and `-k S3-S9` a range, as on our own command line.

    In an expression of several words IDs match parts of names, as usual in pytest.
    """
    known = {info.id for item in items if (info := info_of(item))}
    try:
        chosen = set(select_ids([config.option.keyword], known))
    except UnknownScenarioError:
        return
    if not known or not config.option.keyword:
        return
    meant = [item for item in items if (info := info_of(item)) and info.id in chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in meant])
    items[:] = meant
    config.option.keyword = ""


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Finish the trial if the scenario passed; record the picture and clean up if it failed.

    This is part of the call, so that findings at the end fail the scenario.
    """
    running = trial_of(pyfuncitem)
    if running is None:
        return (yield)
    with running:
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a lock, shared, or exclusive for a scenario that measures; then forget the trial.

    Outermost, so that no timeout includes waiting for it. Scenarios that measure are last in order,
    so they wait for the rest, and only others of their kind wait for them. What the rest has
    written is on the disk before, or a sync of theirs would wait for it.
    """
    info, variant = info_of(item), variant_of(item)
    if info is None:
        return (yield)
    alone = info.measures or (variant is not None and variant.alone)
    with (item.config.stash[folder_key] / ".alone").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if alone:
            os.sync()
        try:
            return (yield)
        finally:
            # Pytest keeps all items to the end; with their trials, a long run would need gigabytes.
            kept: tuple[pytest.StashKey[Any], ...] = (trial_key, _verdict_key)
            for key in kept:
                if key in item.stash:
                    del item.stash[key]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn BackendLacks into a skip, and attach the result to the last phase's report."""
    report = yield
    info = info_of(item)
    if info is None:
        return report
    if call.excinfo and isinstance(call.excinfo.value, BackendLacks | UnsupportedCommand):
        report.outcome = "skipped"
        path, line, _ = item.location
        why = printable_lines(f"Skipped: {call.excinfo.value}")
        report.longrepr = (path, (line or 0) + 1, why)
    if isinstance(report.longrepr, ExceptionChainRepr):
        _clean(report.longrepr)
    verdict = item.stash.setdefault(_verdict_key, Verdict())
    verdict.add(item, call, report)
    if report.when == "teardown":
        work = item_folder(item) / WORK
        result = replace(_result_of(item, verdict), work_bytes=size_on_disk(work))
        keep_failures(item_folder(item), verdict.records)
        # For the reporter; xdist transmits a report's own attributes. JUnit shows the properties.
        vars(report)["scenario"] = asdict(result)
        report.user_properties.extend(
            [
                ("scenario", info.id),
                ("repetition", result.repetition),
                ("outcome", result.outcome),
                ("cause", result.cause or ""),
                ("evidence", result.evidence),
            ]
        )
        failed = verdict.outcome == "failed" and variant_of(item) is None
        if not failed and not item.config.stash[settings_key].keep:
            shutil.rmtree(work, ignore_errors=True)
        elif failed:
            link_copies(work)
    return report


def _cause_of_failure(item: pytest.Item, error: BaseException) -> Cause:
    """Return the cause of a scenario's failure."""
    trial = trial_of(item)
    if trial is None:
        return cause_of(error)
    if isinstance(error, pytest.fail.Exception):  # only pytest-timeout raises this
        return trial.scene.timeout_cause()
    return trial.cause_of(error)


def _result_of(item: pytest.Item, verdict: Verdict) -> ScenarioResult:
    """Return the result of a finished scenario."""
    info = marked(item)
    judged = trial_of(item)
    return ScenarioResult(
        id=info.id,
        name=info.name,
        proves=info.proves,
        outcome=verdict.outcome,
        duration_s=round(verdict.duration_s, 3),
        evidence=printable_lines("; ".join(judged.evidence_lines)) if judged else "",
        failure="\n\n".join(verdict.failures),
        cause=verdict.cause,
        reason=verdict.reason,
        folder=folder_name(item),
        repetition=item.stash[repetition_key],
    )


def _clean(shown: ExceptionChainRepr) -> None:
    """Clean pytest's own picture of a failure: a terminal shows it, and nodes' texts are in it."""
    for trace, crash, _ in shown.chain:
        for entry in trace.reprentries:
            entry.lines = [printable(line) for line in entry.lines]
        if crash is not None:
            crash.message = printable_lines(crash.message)
