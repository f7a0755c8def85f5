"""docs/pair.md: its commands, typed as they stand into three terminals."""

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from scenarios.core.locks import exclusive
from tests.docs.page import block_of
from tests.docs.terminal import PROJECT, terminal
from tests.headless.node_process import NodeProcess
from tests.scenarios.images.image_of import image_of, needs_engine

block = partial(block_of, (PROJECT / "docs" / "pair.md").read_text(encoding="utf-8"))


def test_at_the_keyboard() -> None:
    lines = block("## A relay and two peers", "sh").splitlines()
    commands = [["bash", "-c", f"exec {line} --backend process"] for line in lines]
    with ExitStack() as stack:
        ends = []
        for command, ready in zip(
            commands, ("• relay-ready", "reaches it", "reaches it"), strict=True
        ):
            ends.append(stack.enter_context(terminal(command)))
            ends[-1].until(ready)
        _, anna, ben = ends
        anna.type(block("In anna's terminal:"))
        ben.type(block("In ben's:") + "quit\n")
        shown = ben.to_end()
        assert ben.process.wait(30) == 0, shown
    told = ["✓ join", "• peer-connected", "✓ wait-file", "✓ list", "✓ pull", "• pull-finished"]
    places = [ben.plain.index(each) for each in told]
    assert places == sorted(places), ben.plain
    assert "Traceback" not in shown


def test_by_themselves(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    a_letter_comes(block("## By themselves", "sh").splitlines(), tmp_path)


@pytest.fixture
def image() -> str:
    needs_engine()
    return image_of("pair")


@pytest.mark.timeout(60, func_only=True)  # the image may have to be built first
@pytest.mark.usefixtures("image")
def test_from_the_image(tmp_path: Path) -> None:
    a_letter_comes(block("From the image", "sh").splitlines(), tmp_path)


def typed(after: str) -> str:
    """Return the JSON command after a text."""
    [line] = block(after, "json").splitlines()
    return line


def a_letter_comes(lines: Sequence[str], folder: Path) -> None:
    """Run the last three commands, after those before them, and do what the page goes on with."""
    with exclusive(PROJECT / ".cache" / "the-page's-port"):
        _a_letter_comes(lines, folder)


def _a_letter_comes(lines: Sequence[str], folder: Path) -> None:
    subprocess.run(["bash", "-euc", "\n".join(lines[:-3])], cwd=folder, check=True)
    nodes: list[NodeProcess] = []
    try:
        for line, ready in zip(lines[-3:], ("relay-ready", *["pair-ready"] * 2), strict=True):
            nodes.append(NodeProcess(f"exec {line}", command=("bash", "-c"), folder=folder))
            nodes[-1].wait(ready)
        _, anna, ben = nodes
        for one, other in ((anna, ben), (ben, anna)):
            fingerprint = other.wait("pair-ready")["fingerprint"]
            one.say(typed("Each joins").replace("THE OTHER'S", fingerprint))
        (folder / "anna" / "letter.txt").write_text("Dear Ben")
        anna.say(typed("Then one shares"))
        ben.wait("file-announced", path="letter.txt")
        ben.say(typed("When the other has said"))
        ben.wait("pull-finished")
    finally:
        said = [node.end() for node in reversed(nodes)]
    assert (folder / "ben" / "letter.txt").read_text() == "Dear Ben"
    assert not any("Traceback" in text for text in said)
