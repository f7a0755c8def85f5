"""Every shell command of README and docs, as it stands: run, or read where the document says so.

Above a block that is only read stands `<!-- read by tests, not run: WHY -->`. Of what is read each
recipe, option and scenario has to exist.
"""

import os
import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from scenarios.__main__ import build_parser
from scenarios.family.discovery import every_family, select

PROJECT = Path(__file__).parents[2]
PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / "examples").glob("*/*.md")),
]
BLOCK = re.compile(
    r"(?:^<!-- (read by tests, not run): [^\n]+ -->\n)?^```(\w*)\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RECIPE = re.compile(r"^(peer-cli-\w+)[^\n]*: venv\n +@\{\{ python \}\} -m scenarios ([^\n]*)", re.M)
PROGRAMS = frozenset(
    [
        ".venv/bin/pair-cli",
        ".venv/bin/peer-cli",
        ".venv/bin/tunnel-cli",
        "cp",
        "docker",
        "docker-compose",
        "export",
        "mkdir",
        "mv",
        "sed",
        "sync-cli",
        "tunnel-cli",
        ".venv/bin/tunnel-cli",
    ]
)


class Block(NamedTuple):
    """A fenced block."""

    page: str
    language: str
    text: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0][:40]}"


BLOCKS = [
    Block(page.name, found[2], found[3], runs=not found[1])
    for page in PAGES
    for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
]
SHELL = [block for block in BLOCKS if block.language == "sh"]


@pytest.mark.parametrize("block", [one for one in SHELL if one.runs], ids=str)
def test_what_runs(block: Block, tmp_path: Path) -> None:
    for folder in (".venv", "examples"):
        (tmp_path / folder).symlink_to(PROJECT / folder)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", block.text],
        cwd=PROJECT if "./justw" in block.text else tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout or "mkdir" in block.text


@pytest.mark.parametrize("block", [one for one in SHELL if not one.runs], ids=str)
def test_what_is_read(block: Block) -> None:
    recipes = dict(RECIPE.findall((PROJECT / "justfile").read_text(encoding="utf-8")))
    others = {"test", "nightly", "unit", "lint", "fmt"}
    for line in block.text.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line, comments=True) or [""]
        if program != "./justw":
            assert program in PROGRAMS, line
        elif words[0] not in others:
            _parses([*shlex.split(recipes[words[0]])[:-1], *words[1:]], line)


def _parses(words: list[str], line: str) -> None:
    """Read a command line as `python -m scenarios` does, without carrying it out."""
    if "--help" in words:
        return
    options, rest = build_parser().parse_known_args(words)
    assert not [word for word in rest if word.startswith("-")], line
    ids = [*getattr(options, "ids", []), *rest]
    if "tally" not in ids and "S901" not in ids:  # what the page has the reader write
        assert select(ids, every_family())


def test_shell_is_all_there_is_to_type() -> None:
    """A block without a language holds output, or what is typed into a session."""
    odd = [block for block in BLOCKS if "./justw" in block.text and block.language != "sh"]
    assert not odd
    assert {block.language for block in BLOCKS} <= {"", "sh", "python", "json", "text"}


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language == "python"], ids=str)
def test_python_is_python(block: Block) -> None:
    compile(textwrap.dedent(block.text), block.page, "exec")
