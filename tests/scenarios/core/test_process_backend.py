"""Processes as nodes; and what is left of them when their runner is killed."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.base import BackendLacks, Capability, Mount, NodeSpec, Placed, Program
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import ENVIRONMENT_NAME, RunLabel, own_label, parse_label, process_started
from scenarios.core.sweep import of_dead_runners, of_run, sweep_processes
from scenarios.core.trial import Trial
from tests.scenarios.core.backend_contract import BackendContract, echo

RUNNER = """
import signal
import sys
from pathlib import Path
# Whoever started the tests in the background may have Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [sys.argv[3]]
from tests.scenarios.core.backend_contract import echo
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.trial import Trial

with Trial(ProcessBackend(own_label(sys.argv[2])), Path(sys.argv[1])) as trial:
    lively, frozen = trial.start(echo("lively", sys.executable), echo("frozen", sys.executable))
    frozen.freeze()
    for node in (lively, frozen):
        print(node._handle._process.pid, flush=True)
    lively.window().wait_event("what never comes", timeout=50)
"""


@pytest.fixture
def python() -> str:
    return sys.executable


@pytest.fixture
def backend() -> Iterator[ProcessBackend]:
    backend = ProcessBackend(own_label("test-process"))
    yield backend
    backend.close()


class TestProcessBackend(BackendContract):
    def test_disconnect_is_unsupported_with_a_reason(
        self, trial: Trial, backend: ProcessBackend, python: str
    ) -> None:
        assert Capability.DISCONNECT not in backend.capabilities
        (node,) = trial.start(echo("node", python))
        with pytest.raises(BackendLacks, match="--backend docker"):
            node.disconnect()

    def test_a_node_inherits_nothing_that_could_change_a_run(
        self, trial: Trial, python: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PEER_CLI_NAME", "of the user")
        (node,) = trial.start(echo("node", python))
        environment = node.request("hello")["environment"]
        assert "PEER_CLI_NAME" not in environment
        assert "PATH" in environment

    def test_a_full_disk_is_an_error_and_no_signal(self, trial: Trial, tmp_path: Path) -> None:
        small = Mount(tmp_path, writable=True, limit_bytes=4096)
        # Unlike Python, head does nothing of its own about SIGXFSZ.
        script = 'read line; head -c 9000 /dev/zero > "$0"; echo "ended with $?" >&2'
        program = Program(("sh", "-c", script, Placed(small, "file")))
        (node,) = trial.start(NodeSpec("shell", program))
        node.close_stdin()
        node.wait_exit()
        assert "ended with 1" in [line.text for line in node.log.lines()]

    def test_a_mount_is_the_nodes_own_and_goes_with_it(
        self, trial: Trial, backend: ProcessBackend, tmp_path: Path
    ) -> None:
        if Capability.FUSE not in backend.capabilities:
            pytest.skip("no process may mount here")
        folder = Mount(tmp_path / "folder", writable=True)
        folder.host.mkdir()
        script = 'mount -t tmpfs none "$0" && touch "$0/inside" && ls "$0" >&2; read line'
        program = Program(("sh", "-c", script, Placed(folder)))
        (node,) = trial.start(NodeSpec("shell", program, fuse=True))
        node.everything().wait_for(
            lambda line: line.text == "inside" or None, what="mounted", wanted="its mount"
        )
        assert list(folder.host.iterdir()) == []
        assert str(folder.host) not in Path("/proc/mounts").read_text()
        node.kill()
        assert str(folder.host) not in Path("/proc/mounts").read_text()

    def test_what_a_node_leaves_running_dies_with_it(self, trial: Trial) -> None:
        script = "sleep 1000 & echo $!; read line"
        (node,) = trial.start(NodeSpec("shell", Program(("sh", "-c", script))))
        child = node.everything().wait_for(
            lambda line: int(line.text) if line.stream == "out" else None,
            what="child",
            wanted="the child's process ID",
        )
        descriptor = os.pidfd_open(child)
        node.close_stdin()
        node.wait_exit()
        assert select.select([descriptor], [], [], 5)[0]
        os.close(descriptor)


def start_runner(folder: Path, run_id: str) -> "subprocess.Popen[str]":
    """Start a runner that starts two nodes, freezes one, says their IDs and then waits."""
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), run_id, here],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the sweep needs /proc")
class TestSweep:
    def test_ctrl_c_leaves_nothing(self, tmp_path: Path) -> None:
        with start_runner(tmp_path, "test-ctrl-c") as runner:
            assert runner.stdout
            nodes = [os.pidfd_open(int(runner.stdout.readline())) for _ in range(2)]
            runner.send_signal(signal.SIGINT)
            assert runner.wait() == -signal.SIGINT
        assert select.select(nodes, [], [], 0)[0] == nodes
        for node in nodes:
            os.close(node)

    def test_a_killed_runner_leaves_nothing(self, tmp_path: Path) -> None:
        run_id = f"test-sweep-{os.getpid()}"
        with start_runner(tmp_path, run_id) as runner:
            assert runner.stdout
            pids = [int(runner.stdout.readline()) for _ in range(2)]
            lively, frozen = (os.pidfd_open(pid) for pid in pids)
            # The runner lives: nothing of its run is touched.
            assert sweep_processes(lambda la: la.run_id == run_id and of_dead_runners(la)) == []
            runner.send_signal(signal.SIGKILL)
            runner.wait()
        # The lively one reads the end of its stdin and ends by itself.
        assert select.select([lively], [], [], 5)[0]
        assert not select.select([frozen], [], [], 0)[0]
        swept = sweep_processes(lambda la: la.run_id == run_id and of_dead_runners(la))
        assert swept == [f"process {pids[1]} of run {run_id}"]
        assert select.select([frozen], [], [], 0)[0]
        os.close(lively)
        os.close(frozen)

    def test_of_run_takes_the_run_only(self) -> None:
        run_id = f"test-of-run-{os.getpid()}"
        environment = {ENVIRONMENT_NAME: str(own_label(run_id))}
        with subprocess.Popen(["sleep", "1000"], env={**os.environ, **environment}) as process:
            assert sweep_processes(of_run("another")) == []
            assert sweep_processes(of_run(run_id)) == [f"process {process.pid} of run {run_id}"]
            assert process.wait() == -signal.SIGKILL


class TestLabel:
    def test_it_survives_being_written_down(self) -> None:
        label = own_label("run-1")
        assert parse_label(str(label)) == label
        assert label.runner_lives()

    @pytest.mark.parametrize("text", ["", "a/b/c", "a/b/x/d", "a/b/1/2/3"])
    def test_what_is_no_label(self, text: str) -> None:
        assert parse_label(text) is None

    def test_a_reused_process_id_is_not_the_runner(self) -> None:
        label = own_label("run-1")
        assert not RunLabel(label.run_id, label.home, label.pid, "1").runner_lives()

    def test_a_zombie_is_dead(self) -> None:
        with subprocess.Popen(["true"]) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert process_started(process.pid) is None

    def test_a_runner_elsewhere_counts_as_alive(self) -> None:
        label = own_label("run-1")
        assert RunLabel(label.run_id, "elsewhere:1", 1, "1").runner_lives()

    def test_an_odd_run_id_is_refused(self) -> None:
        with pytest.raises(ValueError, match="may hold only"):
            own_label("a/b")
