"""Runs that did not do all that they were asked: signals, killed workers, a killed runner."""

import os
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from scenarios.running.run import project_state
from tests.scenarios.running.tiny_runner import Runner, processes_of

OUTCOME = "interrupted: 1 passed, 1 cut off (S20), 1 not begun"


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


class Underway:
    """A run of S1, S20 and S12 in which S1 has passed and S20 hangs; S12 waits to be alone."""

    def __init__(self, runner: Runner, jobs: str) -> None:
        asked = ("run", "S1", "S20", "S12", "--backend", "process", "-j", jobs)
        self.process = runner.start(*asked, preexec_fn=endable)
        self.out = self.err = ""
        assert self.process.stdout
        # In this order: with one worker S20 begins when S1 has been told.
        while not self.out.endswith("1 ping answered\n"):
            self.out += self.process.stdout.readline()
        self.worker = runner.wait_until_it_hangs()

    def end(self) -> int:
        """Return the exit code when it has ended, and all it said is there."""
        assert self.process.stdout
        assert self.process.stderr
        self.out += self.process.stdout.read()
        self.err = self.process.stderr.read()
        return self.process.wait(40)


def endable() -> None:
    """Take the signals as programs in a terminal do, whatever the tests were started with."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def latest(runner: Runner) -> Path:
    return (runner.folder / "runs/latest").resolve()


@pytest.mark.parametrize(
    ("jobs", "number", "whom"),
    [
        ("1", signal.SIGINT, "all"),
        ("2", signal.SIGINT, "all"),
        ("1", signal.SIGTERM, "runner"),
        ("2", signal.SIGTERM, "runner"),
        ("2", signal.SIGHUP, "all"),
    ],
)
def test_an_interrupted_run_says_so_everywhere(
    runner: Runner, jobs: str, number: signal.Signals, whom: str
) -> None:
    run = Underway(runner, jobs)
    if whom == "all":
        os.killpg(run.process.pid, number)
    else:
        run.process.send_signal(number)
    assert run.end() == 130
    assert "Traceback" not in run.out + run.err
    assert not processes_of(latest(runner).name)
    assert not (latest(runner) / "S20/work").exists()

    assert f"\n{OUTCOME}\n" in run.out
    assert re.search(r"= 1 passed, 1 cut off, 1 not begun in [\d.]+s =", run.out)
    results = runner.results()
    assert (results["ended"], results["cut_off"]) == ("interrupted", ["S20"])
    assert results["not_begun"] == ["S12"]
    page = (latest(runner) / "report.html").read_text()
    assert f'"verdict":"interrupted","outcome":"{OUTCOME}"' in page
    assert "S20 was cut off" in page
    assert f"| {OUTCOME} |" in runner.call("summary").out
    junit = (latest(runner) / "junit.xml").read_text()
    assert 'failures="2"' in junit
    assert "cut off: the run ended before it" in junit
    assert re.search(r"^S20 +process .* x$", runner.call("history").out, re.MULTILINE)


def test_a_second_ctrl_c_does_not_disturb_the_cleaning_up(runner: Runner) -> None:
    process = runner.start("run", "S20", "--backend", "process", "-j", "2", preexec_fn=endable)
    runner.wait_until_it_hangs()
    assert process.stderr
    told = ""
    while "Cleaning up" not in told:  # which only a later one is answered with
        os.killpg(process.pid, signal.SIGINT)
        if select.select([process.stderr], [], [], 0.05)[0]:
            line = process.stderr.readline()
            told += line
            assert line, told
    out, err = process.communicate(timeout=40)
    err = told + err
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "KeyboardInterrupt" not in err
    assert "1 cut off (S20)" in out
    assert not processes_of(latest(runner).name)


def test_a_killed_worker_fails_what_it_ran_and_the_rest_goes_on(runner: Runner) -> None:
    run = Underway(runner, "2")
    os.kill(run.worker, signal.SIGKILL)
    assert run.end() == 1
    assert "\nfailed: 2 passed, 1 failed (1 by the death of a worker)\n" in run.out
    results = runner.results()
    assert results["ended"] == "finished"
    causes = {row["id"]: row["cause"] for row in results["scenarios"]}
    assert causes == {"S1": None, "S12": None, "S20": "worker-died"}
    assert not processes_of(latest(runner).name)


def test_a_killed_runner_leaves_nothing_after_clean(runner: Runner) -> None:
    run = Underway(runner, "2")
    run.process.kill()
    run.end()
    assert runner.call("clean").code == 0
    assert not processes_of(latest(runner).name)
    said = runner.call("summary").out
    assert f"| {OUTCOME}; it still runs, or its runner was killed |" in said


def test_the_run_says_what_was_tested(runner: Runner) -> None:
    assert runner.call("run", "S1", "--backend", "process").code == 0
    results = runner.results()
    assert results["command"] == "python -m scenarios run S1 --backend process"
    assert re.fullmatch("[0-9a-f]{40}", results["commit"])
    assert "by `python -m scenarios run S1 --backend process`" in runner.call("summary").out
    assert results["commit"][:12] in (latest(runner) / "report.html").read_text()


def test_changes_that_are_not_committed_are_told(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        command = ["git", *identity, "-C", str(tmp_path), *words]
        subprocess.run(command, check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "--message", "first")
    commit, dirty = project_state(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert not dirty
    (tmp_path / "new").touch()
    assert project_state(tmp_path) == (commit, True)
    shutil.rmtree(tmp_path / ".git")
    assert project_state(tmp_path) == ("", False)
