"""The verdict on a scenario, combined from its phases."""

import pytest

from scenarios.core.errors import Cause, UnsupportedCommand
from scenarios.core.printable import printable_lines
from scenarios.core.scene import Clock, FailureRecord
from scenarios.core.session import cause_of
from scenarios.results.results import Outcome, ScenarioResult
from scenarios.running.failure import failure_record, failure_text
from scenarios.running.items import (
    folder_name,
    marked,
    repetition_key,
    session_of,
    settings_key,
)


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
            cause = cause_of_failure(item, error.value)
            self.cause = self.cause or cause
            self.failures.append(failure_text(item, error, cause))
            now = Clock(item.config.stash[settings_key].clock_start).now()
            self.records.append(failure_record(item, error, cause, now))
        elif self.outcome == "passed":
            unknown = isinstance(error.value, UnsupportedCommand)
            self.outcome = "unsupported" if unknown else "skipped"
            self.reason = printable_lines(str(error.value))


def cause_of_failure(item: pytest.Item, error: BaseException) -> Cause:
    """Return the cause of a scenario's failure."""
    session = session_of(item)
    if session is None:
        return cause_of(error)
    if isinstance(error, pytest.fail.Exception):  # only pytest-timeout raises this
        return session.scene.timeout_cause()
    return session.cause_of(error)


def result_of(item: pytest.Item, verdict: Verdict) -> ScenarioResult:
    """Return the result of a finished scenario."""
    info = marked(item)
    judged = session_of(item)
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
