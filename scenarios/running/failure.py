"""How a scenario failed: as a text for people, and as a record for the report."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from scenarios.core.backends.base import BackendError
from scenarios.core.errors import CAUSES, Cause, CheckFailed, CommandFailed, NodeGone
from scenarios.core.printable import printable_lines
from scenarios.core.scene import SCENARIO_FILE, FailureRecord
from scenarios.root import ROOT


def failure_text(
    item: pytest.Item, error: pytest.ExceptionInfo[BaseException], cause: Cause
) -> str:
    """Return the text of a failure.

    A failed check, wait or command is shown with the scenario's statement; anything else is a bug
    in the scenario or below it, and is shown with its traceback.
    """
    why = f"cause: {cause}: {CAUSES[cause]}"
    met = error.value
    if not isinstance(met, CheckFailed | CommandFailed | NodeGone | BackendError):
        trace = error.getrepr(style="short", tbfilter=lambda it: it.traceback.cut(item.path))
        return printable_lines(f"{trace}\n{why}")
    notes = getattr(met, "__notes__", [])
    where, statement = _statement(item, error)
    place = f"at {where}\n{textwrap.indent(textwrap.dedent(statement), '  ')}" if where else ""
    said, picture = (met.brief, met.picture) if isinstance(met, CheckFailed) else (str(met), "")
    parts = [said, place, why, *notes, picture]
    return printable_lines("\n".join(part for part in parts if part))


def failure_record(
    item: pytest.Item, error: pytest.ExceptionInfo[BaseException], cause: Cause, at: float
) -> FailureRecord:
    """Return a failure as data; it was noticed ``at`` seconds after the start of the run."""
    where, _ = _statement(item, error)
    match error.value:
        case CheckFailed() as met:
            return FailureRecord(at, met.what, "expectation", cause, where)
        case CommandFailed() as met:
            return FailureRecord(
                at, str(met), "refused", cause, where, met.node, met.command, met.error
            )
        case pytest.fail.Exception() as met:  # only pytest-timeout raises this
            return FailureRecord(at, _first_line(str(met)), "time-up", cause, where)
        case NodeGone() | BackendError() as met:
            return FailureRecord(at, _first_line(str(met)), "error", cause, where)
    said = f"{error.typename}: {error.value}".strip(": ")
    return FailureRecord(at, _first_line(said), "error", cause, where)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _statement(item: pytest.Item, error: pytest.ExceptionInfo[BaseException]) -> tuple[str, str]:
    """Return the place and the statement in the scenario's own file that raised the error.

    The path is relative to the project. Both are empty if that file is not in the traceback.
    """
    entry = next((one for one in reversed(error.traceback) if one.path == item.path), None)
    if entry is None:
        return "", ""
    inside = item.path.is_relative_to(ROOT)
    file = item.path.relative_to(ROOT) if inside else item.path
    return f"{file}:{entry.lineno + 1}", str(entry.statement)


def keep_failures(folder: Path, failures: Sequence[FailureRecord]) -> None:
    """Append failures to the scenario's own record."""
    if not failures:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SCENARIO_FILE).open("a", encoding="utf-8", errors="backslashreplace") as file:
        for failure in failures:
            record = {"kind": "failure", **asdict(failure)}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
