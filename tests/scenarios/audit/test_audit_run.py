"""An audit as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.scenarios.running.tiny_runner import Runner

MAIN = """
import sys
from pathlib import Path

from tests.scenarios.running.tiny_runner import Runner
from scenarios.__main__ import main
sys.exit(main(sys.argv[2:], root=Path(sys.argv[1])))
"""


def call(root: Path, *arguments: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", before + MAIN, str(root), "audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


def test_a_mutant_is_killed_by_the_check_meant_for_it(tmp_path: Path) -> None:
    done = call(tmp_path, "--mutant", "skips-a-seq", "--mutant", "exits-with-1", "-j", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed" in done.stdout
    assert "2 of 2 mutants killed" in done.stdout
    folder = (tmp_path / "runs" / "latest-audit").resolve()
    document = json.loads((folder / "kill-matrix.json").read_text())
    by = {pair["mutant"]: list(pair["by"]) for pair in document["pairs"]}
    assert by == {
        "skips-a-seq": ["always: gapless seq"],
        "exits-with-1": ["always: right exit code"],
    }
    assert document["whole"] is False
    assert {"scenario": "S1", "check": "first event"} in document["unproven"]
    assert "skips-a-seq" in (folder / "kill-matrix.html").read_text()
    assert (folder / "skips-a-seq" / "S1" / "alpha.jsonl").is_file()
    assert not (folder / "skips-a-seq" / "S1" / "work").exists()


def test_a_scenario_without_a_mutant_is_no_success(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    done = runner.call("audit", "S1")
    assert done.code == 2
    assert "Nothing to prove: S1 is not meant to notice any mutant" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_mutant_that_the_scenario_need_not_notice_is_no_success(tmp_path: Path) -> None:
    done = call(tmp_path, "S2", "--mutant", "skips-a-seq")
    assert done.returncode == 2
    assert "Nothing to prove: S2 is not meant to notice skips-a-seq" in done.stderr


def test_a_mutant_that_nobody_knows(tmp_path: Path) -> None:
    done = call(tmp_path, "--mutant", "skips-a-sek")
    assert done.returncode == 2
    assert done.stderr == "There is no mutant skips-a-sek. Near ones: skips-a-seq.\n"


def test_the_order_in_which_plugins_are_loaded_does_not_matter(tmp_path: Path) -> None:
    swapped = """
import scenarios.audit.run as run
def of_audit_first(request, folder, chosen, arguments=run._arguments):
    return ["-p", "scenarios.audit.plugin", *arguments(request, folder, chosen)]
run._arguments = of_audit_first
"""
    done = call(tmp_path, "--mutant", "skips-a-seq", "-j", "2", before=swapped)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 mutants killed" in done.stdout
