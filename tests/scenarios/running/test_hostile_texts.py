"""Texts of hostile nodes in what a run prints: they must not control the terminal."""

from pathlib import Path

import pytest

from tests.scenarios.running.test_plain_pytest import run_pytest
from tests.scenarios.running.tiny_runner import Runner

SCENARIOS = r"""
import pytest

from scenarios.core.errors import UnsupportedCommand
from scenarios.core.scenario import scenario

HOSTILE = "\x1b]0;owned\x07\u202egpj.exe"


@scenario("S21", name="Told", proves="evidence")
def told(trial):
    trial.evidence(HOSTILE)


@scenario("S22", name="Met", proves="a check")
def met(trial):
    trial.check.true(HOSTILE, False)


@scenario("S23", name="Unsupported", proves="a refusal")
def unsupported(trial):
    raise UnsupportedCommand("alpha", {"cmd": "x"}, {"code": "unknown-command", "error": HOSTILE})


@scenario("S24", name="Broken", proves="a bug")
def broken(trial):
    raise ValueError(HOSTILE)
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    runner = Runner(tmp_path)
    (tmp_path / "tiny_family" / "test_hostile.py").write_text(SCENARIOS)
    return runner


def is_clean(printed: str) -> bool:
    return "owned" in printed and not set(printed) & set("\x1b\x07\u202e")


def test_the_command_line(runner: Runner) -> None:
    assert is_clean(runner.call("run", "S21-S24", "--backend", "process").out)


def test_plain_pytest(runner: Runner) -> None:
    (runner.folder / "conftest.py").write_text('pytest_plugins = ["scenarios.running.plugin"]\n')
    done = run_pytest(runner, "tiny_family/test_hostile.py", "-rA", "--color=no")
    assert is_clean(done.stdout)
