"""A foreign peer under the scenarios: how it is named, and on what it runs."""

from pathlib import Path

import pytest
from tiny_runner import Runner

from scenarios.cli import main
from scenarios.core.backends.base import Mount
from scenarios.lan_spread.specs import PEER, foreign_peer, peer, peer_node
from scenarios.reporter import again_command
from scenarios.results import RunInfo
from scenarios.run import RunRequest


def test_the_command_that_repeats_a_scenario_names_the_peer() -> None:
    request = RunRequest(jobs=1, peer_command=("env", "A=b c", "peer"))
    again = again_command("S7", RunInfo("run", "process", 1, {}, peer=request.peer))
    assert again.startswith("./justw peer-cli-tests S7 --backend process --peer-command ")
    assert again.endswith("'env '\"'\"'A=b c'\"'\"' peer'")
    image = RunRequest(jobs=1, peer_image="other:1").peer
    on_docker = RunInfo("run", "docker", 2, {}, peer=image)
    assert again_command("S7", on_docker).endswith("docker --seed 2 --peer-image other:1")
    ours = RunInfo("run", "docker", 1, {})
    assert again_command("S7", ours) == "./justw peer-cli-tests S7 --backend docker"


@pytest.mark.parametrize(
    ("option", "backend"), [("--peer-command", "docker"), ("--peer-image", "process")]
)
def test_what_does_not_go_together(
    option: str, backend: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["run", "S4", option, "x", "--backend", backend], root=tmp_path) == 2
    assert f"{option} needs --backend" in capsys.readouterr().err


def test_how_it_is_started(tmp_path: Path) -> None:
    assert foreign_peer() == PEER
    program = foreign_peer(("mine", "--fast"))
    folder = Mount(tmp_path, writable=True)
    node = peer_node(peer("alpha"), folder, folder, program)
    assert node.program.command == ("mine", "--fast")
    assert "--games-dir" in node.arguments
    # In an image of its own there need be no Python to measure it with.
    metered = peer_node(peer("alpha", metered=True), folder, folder, foreign_peer(image="other:1"))
    assert (metered.program.image, metered.program.entrypoint) == ("other:1", None)


def test_scenarios_are_given_the_command(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    assert runner.call("run", "S15", "--peer-command", "mine --fast").code == 0
    assert runner.results()["peer"] == "--peer-command 'mine --fast'"
    assert runner.results()["scenarios"][0]["evidence"] == "mine --fast"
