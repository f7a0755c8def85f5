"""What runs at night: every part of it, whatever the others come to."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
BENCHMARKS = ("compare", "peers", "streamed_install", "tunnel", "folder_sync", "pair")
# In place of the project's Python: notes what it is asked for. Docker, the audit and $FAILING fail.
STAND_IN = f"""#!{sys.executable}
import os, sys
asked = " ".join(sys.argv[1:])
with open("asked", "a") as out:
    print(asked, file=out)
if "summary" in asked:
    print("| the summary |")
for word in ("history", "audit", "compare"):
    if word in asked:
        print("the", word)
failing = ("docker", "audit", os.environ.get("FAILING") or "docker")
sys.exit(1 if any(word in asked for word in failing) else 0)
"""


def nightly(
    folder: Path, *parts: str, page: Path | None = None, failing: str = ""
) -> tuple[int, str, list[str]]:
    """Run it in a project whose Python is a stand-in; return code, output, what was asked for."""
    (folder / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci" / "nightly", folder / ".ci")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    environment = {key: text for key, text in os.environ.items() if key != "GITHUB_STEP_SUMMARY"}
    done = subprocess.run(
        [folder / ".ci" / "nightly", *parts],
        env={
            **environment,
            "FAILING": failing,
            **({"GITHUB_STEP_SUMMARY": str(page)} if page else {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, (folder / "asked").read_text().splitlines()


def test_a_failed_part_keeps_no_other_from_running_and_fails_the_night(tmp_path: Path) -> None:
    code, out, asked = nightly(tmp_path)
    assert code == 1
    assert asked[:-2] == [
        "-m scenarios run --backend process --full-length",
        "-m scenarios run --backend docker --full-length",
        "-m scenarios run --backend process --repeat 10 --random-order",
        "-m scenarios audit --full",
        *(f"-m benchmarks.{name}" for name in BENCHMARKS),
    ]
    assert re.fullmatch(r"-m scenarios summary --since \d+", asked[-2])
    assert asked[-1] == "-m scenarios history"
    assert "Failed: **docker audit**" in out
    assert out.endswith(
        "| the summary |\n\n## Audit\n\n```\nthe audit\n```\n\n## Benchmarks\n\nthe compare\n"
        "\n## History\n\n```\nthe history\n```\n"
    )


def test_a_missed_target_keeps_no_other_benchmark_from_running(tmp_path: Path) -> None:
    code, out, asked = nightly(tmp_path, "benchmarks", failing="streamed_install")
    assert code == 1
    assert asked[:-2] == [f"-m benchmarks.{name}" for name in BENCHMARKS]
    assert "Failed: **benchmarks**" in out


def test_the_summary_goes_to_the_page_of_the_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n")
    code, out, _ = nightly(tmp_path, "process", page=page)
    assert code == 0
    assert "summary" not in out
    assert page.read_text().startswith("before\n## Nightly: process\n\n| the summary |\n\n## His")


def test_a_part_that_is_none(tmp_path: Path) -> None:
    code, _, asked = nightly(tmp_path, "wurst")
    assert code == 1
    assert len(asked) == 2  # the summary and the history


@pytest.mark.parametrize("workflow", ["change", "nightly"])
def test_workflows_call_recipes_that_there_are(workflow: str) -> None:
    text = (PROJECT / ".github" / "workflows" / f"{workflow}.yml").read_text()
    recipes = re.findall(r"^([a-z-]+)(?: [*a-z_]+)?:", (PROJECT / "justfile").read_text(), re.M)
    called = re.findall(r"^ +(?:- )?run: \./justw ([a-z-]+)", text, re.M)
    assert called
    assert set(called) <= set(recipes)


def test_the_workflow_runs_every_part() -> None:
    text = (PROJECT / ".github" / "workflows" / "nightly.yml").read_text()
    matrix = re.search(r"^ +part: \[(.*)\]$", text, re.M)
    script = (PROJECT / ".ci" / "nightly").read_text()
    default = re.search(r"\|\| set -- (.*)$", script, re.M)
    assert matrix
    assert default
    assert matrix[1].split(", ") == default[1].split()
