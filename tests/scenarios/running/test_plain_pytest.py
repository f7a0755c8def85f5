"""Scenarios under plain pytest: the same plugin, the same results."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.running.tiny_runner import Runner

FILE = "tiny_family/test_tiny.py"


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["scenarios.running.plugin"]\n')
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\ntimeout = 60\n")
    return Runner(tmp_path)


def run_pytest(runner: Runner, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=runner.folder,
        env=runner.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def outcomes(runner: Runner) -> dict[str, str]:
    return {row["id"]: row["outcome"] for row in runner.results()["scenarios"]}


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ((FILE, "-k", "S1"), {"S1": "passed"}),
        ((".", "-k", "s1-S3"), {"S1": "passed", "S2": "failed", "S3": "unsupported"}),
        ((f"{FILE}::ping", f"{FILE}::wrong"), {"S1": "passed", "S2": "failed"}),
        ((FILE, "-n", "2", "-k", "S1,S4"), {"S1": "passed", "S4": "skipped"}),
        ((FILE, "-k", "ping or wrong"), {"S1": "passed", "S2": "failed"}),
    ],
)
def test_what_is_named_runs_and_is_reported(
    runner: Runner, arguments: tuple[str, ...], want: dict[str, str]
) -> None:
    done = run_pytest(runner, *arguments)
    assert done.returncode == (1 if "failed" in want.values() else 0), done.stdout + done.stderr
    assert outcomes(runner) == want
    assert (runner.folder / "runs/latest/report.html").is_file()
    assert runner.results()["backend"] == "process"
    assert "report: runs/" in done.stdout


def test_the_verdicts_are_those_of_the_command_line(runner: Runner) -> None:
    def verdicts() -> list[tuple[str, str, str]]:
        rows = runner.results()["scenarios"]
        return [(row["id"], row["outcome"], row["evidence"] + row["reason"]) for row in rows]

    run_pytest(runner, FILE, "-k", "S1-S6")
    plain = verdicts()
    runner.call("run", "S1-S6")
    assert plain == verdicts()
    history = runner.call("history", "S1").out
    assert history.splitlines()[1].split()[:3] == ["S1", "process", "2"]


def test_collecting_makes_no_run(runner: Runner) -> None:
    done = run_pytest(runner, FILE, "--collect-only", "-q", "-k", "S1")
    assert f"{FILE}::ping" in done.stdout
    assert not (runner.folder / "runs").exists()


def test_other_tests_make_no_run(runner: Runner) -> None:
    (runner.folder / "test_other.py").write_text("def test_it():\n    assert True\n")
    done = run_pytest(runner, "test_other.py", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (runner.folder / "runs").exists()


@pytest.fixture
def apart(runner: Runner) -> Runner:
    """A runner with scenarios in two folders that each have a conftest.py, as families have."""
    for name, scenario_id in (("one", "S31"), ("two", "S32")):
        folder = runner.folder / "tiny_family" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "conftest.py").touch()
        (folder / "test_more.py").write_text(
            "from scenarios.core.scenario import scenario\n"
            f'@scenario("{scenario_id}", name="More", proves="nothing")\n'
            'def more(trial):\n    trial.evidence("done")\n'
        )
    return runner


def test_folders_may_have_fixtures_of_their_own(apart: Runner) -> None:
    done = run_pytest(apart, "tiny_family", "-k", "S31-S32")
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(apart) == {"S31": "passed", "S32": "passed"}


def test_so_they_may_when_one_runs_at_a_time(apart: Runner) -> None:
    done = apart.call("run", "S31-S32", "-j", "1")
    assert done.code == 0, done.out + done.err
    assert outcomes(apart) == {"S31": "passed", "S32": "passed"}
