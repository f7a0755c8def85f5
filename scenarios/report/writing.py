"""Writes report.html and trace.json of a run."""

import base64
import hashlib
import json
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from scenarios.report.model import RunView
from scenarios.report.reading import read_scenario
from scenarios.report.trace import trace
from scenarios.report.views import run_view, scenario_view
from scenarios.results.results import (
    REPORT,
    TRACE,
    RunResults,
    ScenarioResult,
    again_command,
    read_results,
    replace_file,
)

LARGEST_PAGE = 10 * 2**20
LINES_BUDGET = 7 * 2**20
_PAGE = Path(__file__).parent / "page"
# Joined into one script; each file is a part of the page, and `main.js` starts it.
_SCRIPTS = ("dom", "model", "detail", "timeline", "provenance", "scenario", "overview", "main")


def write_report(run: Path) -> Path:
    """Write ``report.html`` and ``trace.json`` into a finished run's folder; return the former.

    Raises NoResultsError if the folder is not a run's.
    """
    results = read_results(run)
    views = [scenario_view(read_scenario(run, result)) for result in results.scenarios]
    budget = LINES_BUDGET
    while True:
        shown = run_view(results, views, lambda one: _again(one, results), budget)
        page = html(shown)
        if len(page) < LARGEST_PAGE or budget < 2**16:
            break
        budget //= 2
    replace_file(run / TRACE, json.dumps(trace(shown)).encode())
    replace_file(run / REPORT, page)
    return run / REPORT


def html(run: RunView) -> bytes:
    """Return the page: style, script and data in one self-contained file."""
    script = "\n".join((_PAGE / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    style = (_PAGE / "report.css").read_text(encoding="utf-8")
    overview = msgspec.to_builtins(run)
    views = overview.pop("views")
    template = Template((_PAGE / "page.html").read_text(encoding="utf-8"))
    text = template.substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data="\n".join(
            [_block("run", overview), *(_block(f"view-{i}", view) for i, view in enumerate(views))]
        ),
    )
    # A lone surrogate becomes \udcxx, its JSON form in the data.
    return text.encode("utf-8", "backslashreplace")


def _block(name: str, data: Any) -> str:
    """Return a data element that the page parses lazily; the data cannot close the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escaped = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{escaped}</script>'


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _again(result: ScenarioResult, results: RunResults) -> str:
    return again_command(result.id, results)
