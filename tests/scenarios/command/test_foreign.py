"""Foreign programs on the command line: how they are named, and on what they run."""

import sys
from pathlib import Path

import pytest

from scenarios.__main__ import main
from scenarios.core.backends.base import BackendLacks, Mount
from scenarios.families.lan_spread.family import FAMILY
from scenarios.families.lan_spread.specs import PEER, peer, peer_node
from scenarios.family.family import Foreign, as_options, under_test
from scenarios.results.results import RunInfo, again_command
from tests.scenarios.running.tiny_runner import Runner


def test_the_command_that_repeats_a_scenario_names_the_peer() -> None:
    command = as_options({"lan.peer": Foreign(command=("env", "A=b c", "peer"))})
    again = again_command("S7", RunInfo("run", "process", 1, {}, peer=command))
    assert again.startswith("./justw peer-cli-tests S7 --backend process --program ")
    assert again.endswith("'lan.peer=env '\"'\"'A=b c'\"'\"' peer'")
    image = as_options({"lan.peer": Foreign(image="other:1")})
    on_docker = RunInfo("run", "docker", 2, {}, peer=image)
    assert again_command("S7", on_docker).endswith("docker --seed 2 --image lan.peer=other:1")
    ours = RunInfo("run", "docker", 1, {})
    assert again_command("S7", ours) == "./justw peer-cli-tests S7 --backend docker"


@pytest.mark.parametrize(
    ("option", "value", "backend"),
    [
        ("--peer-command", "x", "docker"),
        ("--peer-image", "x", "process"),
        ("--program", "lan=x", "docker"),
        ("--image", "lan.peer=x", "process"),
    ],
)
def test_what_does_not_go_together(
    option: str, value: str, backend: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["run", "S4", option, value, "--backend", backend], root=tmp_path) == 2
    assert " needs --backend" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["lan", "lan=", "nobody=x", "lan.nothing=x"])
def test_what_names_no_program(
    value: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["run", "S4", "--program", value], root=tmp_path) == 2
    assert "lan.peer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("/no/such/peer --quiet", "No such file or directory"),
        (
            f"{sys.executable} -c 'raise SystemExit(\"usage: peer FILE\")'",
            "local-peer-ready did not come, and it exited 1. Its first lines were:\n  usage: peer",
        ),
    ],
)
def test_a_mistyped_program_is_found_before_anything_runs(
    command: str, complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["run", "S1", "S2", "--peer-command", command], root=tmp_path) == 3
    said = capsys.readouterr()
    assert said.err.startswith("--program ")
    assert complaint in said.err
    assert "failed" not in said.out
    assert not list(tmp_path.glob("runs/*/tried"))


def test_how_it_is_started(tmp_path: Path) -> None:
    assert under_test(FAMILY, {}, {}).programs == {"peer": PEER}
    mine = under_test(FAMILY, {"lan.peer": Foreign(("mine", "--fast"))}, {})
    assert mine.foreign == {"peer"}
    program = mine.programs["peer"]
    folder = Mount(tmp_path, writable=True)
    node = peer_node(peer("alpha"), folder, folder, program)
    assert node.program.command == ("mine", "--fast")
    assert "--games-dir" in node.arguments
    # In an image of its own there need be no Python to measure it with.
    image = under_test(FAMILY, {"lan.peer": Foreign(image="other:1")}, {}).programs["peer"]
    launched = peer_node(peer("alpha", launched=True), folder, folder, image)
    assert (launched.program.image, launched.program.entrypoint) == ("other:1", None)
    with pytest.raises(BackendLacks, match="foreign image"):
        peer_node(peer("alpha", link_local=True), folder, folder, image)
    linked = peer_node(peer("alpha", link_local=True), folder, folder, program)
    assert linked.program.command[-2:] == ("mine", "--fast")
    assert linked.link_local


def test_scenarios_are_given_the_command(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    assert runner.call("run", "S15", "--program", "tiny=mine --fast").code == 0
    assert runner.results()["peer"] == "--program 'tiny.node=mine --fast'"
    assert runner.results()["scenarios"][0]["evidence"] == "mine --fast"
