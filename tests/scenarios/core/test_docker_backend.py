"""Containers as nodes, in the project's own image; skipped where no Docker engine answers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scenarios.core.backends.base import Capability, NodeSpec, Program
from scenarios.core.backends.docker import DockerBackend
from scenarios.core.backends.docker_engine import open_client, sweep_docker
from scenarios.core.label import DOCKER_KEY, own_label
from scenarios.core.sweep import of_dead_runners, of_run
from scenarios.core.trial import Trial
from tests.scenarios.core.backend_contract import BackendContract, echo
from tests.scenarios.images.image_of import image_of, needs_engine

# Only what a test does counts: for the first one, the image may have to be built.
pytestmark = pytest.mark.timeout(60, func_only=True)

needs_engine()

RUNNER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[3]]
from tests.scenarios.core.backend_contract import echo
from scenarios.core.backends.docker import DockerBackend
from scenarios.core.label import own_label
from scenarios.core.trial import Trial

backend = DockerBackend(own_label(sys.argv[2]), {"headless": sys.argv[4]})
trial = Trial(backend, Path(sys.argv[1]))
lively, frozen = trial.start(echo("lively", ""), echo("frozen", ""))
frozen.freeze()
print("started", flush=True)
sys.stdin.read()
"""

MOUNTS = """
import ctypes, os, tempfile
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"own", tempfile.mkdtemp().encode(), b"fuse", 0, options.encode()):
    raise OSError(ctypes.get_errno(), "mount")
"""


@pytest.fixture(scope="module")
def image() -> str:
    return image_of("headless")


@pytest.fixture
def python() -> str:
    return ""  # the image has its own


@pytest.fixture(scope="module")
def backend(image: str) -> Iterator[DockerBackend]:
    backend = DockerBackend(own_label(f"test-docker-{os.getpid()}"), {"headless": image})
    yield backend
    backend.close()


def left_of(run_id: str) -> list[str]:
    client = open_client()
    try:
        filters = {"label": DOCKER_KEY}
        found = [
            *client.api.containers(all=True, filters=filters),
            *client.api.networks(filters=filters),
        ]
    finally:
        client.close()
    return [each["Id"] for each in found if each["Labels"][DOCKER_KEY].startswith(f"{run_id}/")]


class TestDockerBackend(BackendContract):
    def test_disconnect_and_reconnect(self, trial: Trial) -> None:
        alpha, bravo = trial.start(echo("alpha", ""), echo("bravo", ""))
        port = bravo.everything().wait_event("ready").data["port"]
        there = {"host": bravo.address, "port": port}
        bravo.disconnect()
        # Answered when the system has given up looking for the address, after about 3 s.
        alpha.refused("connect", containing="No route", **there)
        bravo.reconnect()
        alpha.request("connect", **there)

    def test_another_address_while_it_runs(self, trial: Trial, backend: DockerBackend) -> None:
        (node,) = trial.start(echo("node", ""))
        address = backend.new_address()
        node.disconnect()
        node.reconnect(address)
        assert node.address == address
        # The pool knows that it is taken.
        assert backend.new_address() != address

    def test_the_network_is_internal_and_small(self, trial: Trial) -> None:
        trial.start(echo("node", ""))
        client = open_client()
        try:
            networks = client.api.networks(filters={"label": DOCKER_KEY})
        finally:
            client.close()
        (own,) = (each for each in networks if each["Name"].endswith(f"-{os.getpid()}"))
        assert own["Internal"]
        assert own["IPAM"]["Config"][0]["Subnet"].endswith("/24")

    def test_it_runs_as_the_invoking_user_and_cannot_write_to_its_image(self, trial: Trial) -> None:
        (node,) = trial.start(echo("node", ""))
        assert node.request("hello")["uid"] == os.getuid()
        refused = node.refused("write", path="/etc/file", size=1)
        assert "Read-only" in refused.error or "Permission" in refused.error

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounts as root, without fusermount")
    @pytest.mark.parametrize("fuse", [True, False])
    def test_only_who_may_mounts_a_file_system(
        self, backend: DockerBackend, trial: Trial, *, fuse: bool
    ) -> None:
        if Capability.FUSE not in backend.capabilities:
            pytest.skip("there is no /dev/fuse here")
        program = Program((), ("python3", "-c", MOUNTS), "headless")
        (node,) = trial.start(NodeSpec("node", program, expected_exit=0 if fuse else 1, fuse=fuse))
        assert node.wait_exit() == (0 if fuse else 1)

    def test_the_want_of_memory_is_told_from_a_kill(self, trial: Trial) -> None:
        hog = "input(); hog = []\nwhile True: hog.append(bytearray(1 << 20))"
        program = Program((), ("python3", "-c", hog), "headless")
        (node,) = trial.start(NodeSpec(name="hog", program=program))
        client = open_client()
        with closing(client):
            (found,) = client.api.containers(filters={"name": "-hog", "label": DOCKER_KEY})
            limit = 32 << 20
            client.api.update_container(found["Id"], mem_limit=limit, memswap_limit=limit)
        node.send_line("{}")
        assert node.wait_exit() == 137
        assert node.log.ended is not None
        assert node.log.ended.kind == "out-of-memory"
        assert trial.cause_of(AssertionError()) == "out-of-memory"

    def test_versions(self, backend: DockerBackend, image: str) -> None:
        assert backend.versions()["image"] == image

    def test_close_leaves_nothing(self, image: str, tmp_path: Path) -> None:
        run_id = f"test-close-{os.getpid()}"
        with closing(DockerBackend(own_label(run_id), {"headless": image})) as backend:
            trial = Trial(backend, tmp_path)
            trial.start(echo("node", ""))
            assert len(left_of(run_id)) == 2
            backend.close()
            assert left_of(run_id) == []
            trial.remove()


def test_a_killed_runner_leaves_nothing_after_the_sweep(image: str, tmp_path: Path) -> None:
    run_id = f"test-sweep-{os.getpid()}"
    here = str(Path(__file__).parent)
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path), run_id, here, image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout
    assert runner.stdin
    with runner.stdin, runner.stdout:
        assert runner.stdout.readline() == "started\n"
        assert len(left_of(run_id)) == 3
        # The runner lives: nothing of its run is touched.
        sweep_docker(lambda label: of_run(run_id)(label) and of_dead_runners(label))
        assert len(left_of(run_id)) == 3
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    containers, networks = sweep_docker(
        lambda label: of_run(run_id)(label) and of_dead_runners(label)
    )
    assert (len(containers), len(networks)) == (2, 1)
    assert left_of(run_id) == []
