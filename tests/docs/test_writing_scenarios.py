"""docs/writing-scenarios.md: what it says works, step by step."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "writing-scenarios.md"
FILE = "scenarios/families/lan_spread/test_lost_source.py"
PARTS = ("headless", "network", "store", "peer_cli", "scenarios", "fixtures")


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language, in order."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with the page's scenario in it, and a peer that may be broken."""
    for part in PARTS:
        shutil.copytree(PROJECT / part, tmp_path / part)
    cache = PROJECT / ".cache" / "fixtures"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "fixtures").symlink_to(cache)
    (tmp_path / FILE).write_text("".join(blocks("python")))
    return tmp_path


def run(project: Path) -> tuple[int, str]:
    """Run the page's command for the scenario; return the exit code and what was printed."""
    command = next(line for block in blocks("sh") for line in block.splitlines() if "tests" in line)
    asked = command.removeprefix("./justw peer-cli-tests ").split()
    done = subprocess.run(
        [sys.executable, "-m", "scenarios", "run", *asked],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def shell(project: Path, first_word: str) -> None:
    """Do what a shell block of the page says."""
    (block,) = (block for block in blocks("sh") if block.startswith(first_word))
    subprocess.run(["sh", "-eu", "-c", block], cwd=project, check=True)


def test_the_scenario_passes_and_says_what_the_page_shows(project: Path) -> None:
    code, out = run(project)
    assert code == 0, out
    shown = blocks("text")[0].strip()
    assert re.sub(r"\d+\.\d s", "N s", shown) in re.sub(r"\d+\.\d s", "N s", out)


def test_it_is_red_against_the_peer_that_the_page_breaks_and_green_again(project: Path) -> None:
    whole = (project / "peer_cli/network/peers.py").read_text()
    shell(project, "sed")
    assert (project / "peer_cli/network/peers.py").read_text() != whole
    code, out = run(project)
    assert code == 1, out
    for line in blocks("text")[1].splitlines():
        assert line in out
    shell(project, "mv")
    assert (project / "peer_cli/network/peers.py").read_text() == whole
    assert run(project)[0] == 0


def test_the_page_names_only_what_there_is() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:scenarios|tests|fixtures)/[\w/.]+)`", text):
        assert (PROJECT / path).exists() or path == FILE, path
    sources = "\n".join(
        file.read_text(encoding="utf-8") for file in (PROJECT / "scenarios").rglob("*.py")
    )
    for method in set(re.findall(r"\.(\w+)\(", text)) - {"get"}:
        assert f"def {method}(" in sources, method


def test_its_code_is_clean(project: Path) -> None:
    file = project / FILE
    for check in (["check"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--config", PROJECT / "pyproject.toml", file],
            check=True,
        )
