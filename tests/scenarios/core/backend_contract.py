"""What every backend must do, driven through a trial with real nodes of the tests' own."""

import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from scenarios.core.backends.base import (
    Argument,
    Backend,
    BackendError,
    Capability,
    Mount,
    NodeSpec,
    OwnAddress,
    Placed,
    Program,
)
from scenarios.core.errors import CheckFailed, CommandFailed, NodeGone, WaitFailed
from scenarios.core.trial import Trial
from scenarios.family import link_local

HERE = Mount(Path(__file__).parent)
LINK_LOCAL = Placed(Mount(Path(link_local.__file__)))
ECHO = Placed(HERE, "echo_node.py")
MIB = 1024 * 1024


def echo(
    name: str, python: str, *arguments: Argument, expected_exit: int = 0, env: str = ""
) -> NodeSpec:
    return NodeSpec(
        name=name,
        program=Program((python, ECHO), ("python3", ECHO), "headless"),
        arguments=(OwnAddress(), *arguments),
        env={"ECHO_OWN": env},
        ready_event="ready",
        expected_exit=expected_exit,
    )


class BackendContract:
    """Subclasses have fixtures ``backend`` and ``python`` (the interpreter of processes)."""

    @pytest.fixture
    def trial(self, backend: Backend, tmp_path: Path) -> Iterator[Trial]:
        trial = Trial(backend, tmp_path / "scenario")
        yield trial
        trial.remove()

    def test_a_life(self, trial: Trial, python: str) -> None:
        alpha, bravo = trial.start(echo("alpha", python, "one"), echo("bravo", python))
        assert IPv4Address(alpha.address) < IPv4Address(bravo.address)
        reply = alpha.request("hello")
        assert reply["argv"] == [alpha.address, "one"]
        assert "ECHO_OWN" in reply["environment"]
        alpha.request("emit", count=3)
        assert [event.data["number"] for event in alpha.everything().events("tick")] == [0, 1, 2]
        trial.finish()
        assert (alpha.exit_code, bravo.exit_code) == (0, 0)
        assert {"alpha.jsonl", "bravo.jsonl", "scenario.jsonl"} <= {
            path.name for path in trial.folder.iterdir()
        }

    def test_file_permissions_hold_for_nodes(
        self, trial: Trial, backend: Backend, python: str, tmp_path: Path
    ) -> None:
        if Capability.PERMISSIONS not in backend.capabilities:
            pytest.skip("nodes of root's cannot be bound here")
        (tmp_path / "open" / "shut").mkdir(parents=True)
        (tmp_path / "open" / "shut").chmod(0o555)
        there = Placed(Mount(tmp_path / "open", writable=True))
        (node,) = trial.start(echo("node", python, there))
        place = node.request("hello")["argv"][1]
        node.request("write", path=f"{place}/file", size=1)
        with pytest.raises(CommandFailed, match="Permission denied"):
            node.request("write", path=f"{place}/shut/file", size=1)

    def test_nodes_reach_each_other_under_their_own_addresses(
        self, trial: Trial, python: str
    ) -> None:
        alpha, bravo = trial.start(echo("alpha", python), echo("bravo", python))
        port = bravo.everything().wait_event("ready").data["port"]
        alpha.request("connect", host=bravo.address, port=port)
        bravo.everything().wait_event("connected")

    def test_host_names_of_one_node(self, trial: Trial, backend: Backend, python: str) -> None:
        if Capability.HOST_NAMES not in backend.capabilities:
            pytest.skip("no mount namespaces here")
        named = replace(echo("named", python), hosts={"elsewhere": "127.9.8.7", "b": "127.9.8.6"})
        # What is not known ends at once, and not when no name server has answered for long.
        other_spec = replace(echo("other", python), env={"RES_OPTIONS": "timeout:1 attempts:1"})
        node, other = trial.start(named, other_spec)
        found = [node.request("resolve", host=name)["address"] for name in ("elsewhere", "b")]
        assert found == ["127.9.8.7", "127.9.8.6"]
        assert node.request("resolve", host="localhost")["address"] == "127.0.0.1"
        with pytest.raises(CommandFailed):
            other.request("resolve", host="elsewhere")

    def test_link_local_addresses(self, trial: Trial, backend: Backend) -> None:
        if Capability.LINK_LOCAL not in backend.capabilities:
            pytest.skip("there is no link-local address here")
        specs = [
            NodeSpec(
                name,
                Program((sys.executable, LINK_LOCAL), ("python3", LINK_LOCAL), "headless"),
                arguments=("sh", "-c", 'echo "$2"; read line', "sh"),
                link_local=True,
            )
            for name in ("alpha", "bravo")
        ]
        for node in trial.start(*specs):
            told = node.everything().wait_for(
                lambda line: line.text, what="its address", wanted="an address"
            )
            assert re.fullmatch(r"\[fe80:[0-9a-f:]+%.+\]", told)
            node.close_stdin()
            node.wait_exit()

    def test_streams_are_kept_apart_and_a_burst_arrives_whole(
        self, trial: Trial, python: str
    ) -> None:
        (node,) = trial.start(echo("node", python))
        pending = node.send("emit", count=20_000)
        node.send("say", text="to stderr", err=True).data()
        pending.data(timeout=30)
        ticks = pending.window.events("tick")
        assert [event.data["number"] for event in ticks] == list(range(20_000))
        assert [line.text for line in node.log.lines() if line.stream == "err"] == ["to stderr"]

    def test_nothing_said_before_the_end_comes_after_it(self, trial: Trial, python: str) -> None:
        (node,) = trial.start(echo("node", python, expected_exit=3))
        node.send("emit", count=5_000)
        node.send("exit", code=3)
        node.wait_exit(timeout=30)
        assert len(node.everything().events("tick")) == 5_000

    def test_remove_waits_for_the_end(self, trial: Trial, python: str) -> None:
        (node,) = trial.start(echo("node", python))
        trial.remove()
        assert node.log.ended is not None
        trial.remove()

    def test_end_of_stdin_ends_it(self, trial: Trial, python: str) -> None:
        (node,) = trial.start(echo("node", python))
        node.send("say", text="x", err=True)
        node.close_stdin()
        assert node.wait_exit() == 0
        # Everything queued before was still read and answered.
        assert [line.text for line in node.log.lines() if line.stream == "err"] == ["x"]
        trial.finish()

    def test_exit_codes_and_unasked_ends(self, trial: Trial, python: str) -> None:
        expected, other = trial.start(
            echo("expected", python, expected_exit=7), echo("other", python)
        )
        expected.send("exit", code=7)
        assert expected.wait_exit() == 7
        with pytest.raises(WaitFailed, match="other exited 9"):
            other.request("exit", code=9)
        with pytest.raises(CheckFailed, match="other exited 9; the exit code should have been 0"):
            trial.finish()

    def test_kill_is_a_kill(self, trial: Trial, python: str) -> None:
        (node,) = trial.start(echo("node", python))
        node.kill()
        assert node.exit_code in (-9, 137)
        with pytest.raises(NodeGone, match="exited"):
            node.request("hello")
        trial.finish()
        assert [fault.what for fault in trial.scene.faults] == ["kill node"]

    def test_freeze_and_thaw(self, trial: Trial, python: str) -> None:
        (node,) = trial.start(echo("node", python))
        node.freeze()
        pending = node.send("hello")
        with pytest.raises(WaitFailed, match="reply to `hello`"):
            pending.data(timeout=0.5)
        node.thaw()
        pending.data()
        node.freeze()
        trial.finish()  # a frozen node is no obstacle

    def test_restart_under_another_and_under_the_same_address(
        self, trial: Trial, python: str
    ) -> None:
        (first,) = trial.start(echo("node", python))
        first.kill()
        second = trial.restart(first, new_address=True)
        assert second.address != first.address
        second.shutdown()
        third = trial.restart(second)
        assert third.address == second.address
        assert third.label == "node#3"
        assert third.request("hello")["argv"] == [third.address]

    def test_a_node_that_does_not_read_blocks_nobody(self, trial: Trial, python: str) -> None:
        (node,) = trial.start(echo("node", python))
        node.send("stop-reading")
        for _ in range(200):
            node.send_line(b"x" * 64 * 1024)
        node.kill()

    def test_small_disk(self, trial: Trial, python: str, tmp_path: Path) -> None:
        folder = tmp_path / "small"
        folder.mkdir()
        small = Mount(folder, writable=True, limit_bytes=4 * MIB)
        (node,) = trial.start(echo("node", python, Placed(small, "file")))
        _, file = node.request("hello")["argv"]
        with pytest.raises(CommandFailed, match=r"No space left|File too large"):
            node.request("write", path=file, size=5 * MIB)
        node.request("write", path=file, size=1000)
        assert node.listing(small) == {"file"}

    def test_a_read_only_and_a_writable_mount(
        self, trial: Trial, python: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "games"
        folder.mkdir()
        games = Mount(folder, writable=True)
        (node,) = trial.start(echo("node", python, Placed(games, "a file")))
        path = node.request("hello")["argv"][1]
        assert path == f"{node.path_of(games)}/a file"
        node.request("write", path=path, size=10)
        written = folder / "a file"
        assert written.stat().st_size == 10
        assert written.stat().st_uid == folder.stat().st_uid
        assert node.listing(games) == {"a file"}

    def test_a_program_that_is_not_there(self, trial: Trial, backend: Backend) -> None:
        nothing = Program(("/nothing/here",), ("/nothing/here",), "headless")
        address = backend.new_address()
        # In a container it is the init process that finds nothing to start.
        with pytest.raises((BackendError, WaitFailed), match="/nothing/here"):
            trial.start(NodeSpec("none", nothing, address=address, ready_event="ready"))
        trial.remove()
        assert backend.new_address() == address  # it is free again

    def test_addresses_start_again_with_each_scenario(
        self, backend: Backend, tmp_path: Path, python: str
    ) -> None:
        seen = []
        for number in itertools.islice(itertools.count(), 2):
            with Trial(backend, tmp_path / str(number)) as trial:
                seen.append(trial.start(echo("node", python))[0].address)
        assert seen[0] == seen[1]
