"""A tiny family of scenarios whose nodes are a few lines of Python, run as a person runs it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]

FAMILY = '''
import gc
import os
import sys
from pathlib import Path

import pytest
from scenarios.core.backends.base import Capability, NodeSpec, Program
from scenarios.core.errors import UnsupportedCommand, WaitFailed
from scenarios.core.scenario import scenario

NODE = """
import json, sys
def say(**message):
    print(json.dumps(message), flush=True)
say(type="event", event="ready", seq=0, ts=1.0, data={})
for line in sys.stdin:
    command = json.loads(line)
    if command["cmd"] in ("ping", "shutdown"):
        say(type="result", id=command["id"], data={})
    else:
        say(type="error", id=command["id"], code="unknown-command", error="I cannot dance")
    if command["cmd"] == "shutdown":
        break
"""


def start(trial):
    program = Program(command=(sys.executable, "-c", NODE))
    return trial.start(NodeSpec(name="alpha", program=program, ready_event="ready"))[0]


@scenario("S1", name="Ping", proves="a ping is answered")
def ping(trial, work_folder):
    (work_folder / "games").mkdir()
    start(trial).request("ping")
    trial.evidence("1 ping answered")


@scenario("S2", name="Wrong", proves="a check that fails")
def wrong(trial, work_folder):
    (work_folder / "games").mkdir()
    start(trial)
    trial.check.equal("pings", 1, 2)


@scenario("S3", name="Foreign", proves="an unknown command")
def foreign(trial):
    start(trial).request("dance")


@scenario("S4", name="Cut", proves="what a backend may lack", needs=[Capability.DISCONNECT])
def cut(trial):
    start(trial)


@scenario("S5", name="Bug", proves="a bug in the scenario")
def bug(trial):
    {}["missing"]


@scenario("S6", name="Untidy", proves="a node that dies unasked")
def untidy(trial):
    program = Program(command=(sys.executable, "-c", "raise SystemExit(7)"))
    trial.start(NodeSpec(name="bravo", program=program))[0].log.scene.condition
    trial.nodes[0].wait_exit()


@scenario("S8", name="Slow", proves="takes a while")
def slow(trial):
    window = start(trial).window()
    with pytest.raises(WaitFailed):
        window.wait_event("never", timeout=1)


def is_mine(turn):
    try:
        Path(f"turn-{turn}").touch(exist_ok=False)  # another worker may be here too
    except FileExistsError:
        return False
    return True


@scenario("S9", name="Flaky", proves="fails in its third turn on this machine")
def flaky(trial):
    node = start(trial)
    if next(turn for turn in range(1, 9) if is_mine(turn)) == 3:
        with pytest.raises(UnsupportedCommand):
            node.request("dance")
        trial.check.true("it can dance", False)
    node.request("ping")


@scenario("S10", name="Late", proves="its own timeout", timeout_s=1)
def late(trial):
    window = start(trial).window()
    window.wait_event("never", timeout=50)


@scenario("S11", name="Absent", proves="a backend that cannot")
def absent(trial):
    trial.start(NodeSpec(name="alpha", program=Program(command=("/no/such/program",))))


@scenario("S14", name="Missed", proves="a wait that meets only what is near")
def missed(trial):
    start(trial).everything().wait_event("ready", answer=42, timeout=0.3)


@scenario("S15", name="Told", proves="which peer is under test")
def told(trial, under_test):
    trial.evidence(" ".join(under_test.programs["node"].command))


@scenario("S16", name="Lean", proves="trials that are over are forgotten")
def lean(trial):
    gc.collect()
    kept = sum(type(one) is type(trial) for one in gc.get_objects())
    trial.check.equal("trials in memory", kept, 1)
    start(trial)


@scenario("S12", name="Measure", proves="runs alone", measures=True)
def measure(trial):
    start(trial)
    trial.evidence("nobody else was there")


@scenario("S13", name="Crash", proves="a worker that dies")
def crash(trial):
    import os
    os._exit(3)


@scenario("S20", name="Hang", proves="Ctrl-C")
def hang(trial, work_folder):
    (work_folder / "game.bin").write_bytes(bytes(10**6))
    window = start(trial).window()
    with open("hanging", "w") as told:  # a FIFO: opens when somebody reads it
        told.write(str(os.getpid()))
    window.wait_event("never", timeout=50)
'''

VALUE = """
from pathlib import Path
from scenarios.family.family import Family, FamilyProgram
NODE = FamilyProgram("node", "nothing", (Path(__file__).parent,), "headless")
FAMILY = Family("S", "tiny", "Nodes of a few lines", "tiny_family", (NODE,))
"""

MAIN = """
import sys
from pathlib import Path
from scenarios.__main__ import main
from tiny_family.family import FAMILY
sys.exit(main(families=[FAMILY], root=Path.cwd()))
"""


@dataclass(frozen=True)
class Finished:
    """What a call came to."""

    code: int
    out: str
    err: str


class Runner:
    """The command line in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = folder / "tiny_family"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "family.py").write_text(VALUE)
        (package / "test_tiny.py").write_text(FAMILY)
        (folder / "main.py").write_text(MAIN)
        os.mkfifo(folder / "hanging")

    def start(
        self,
        *arguments: str,
        out: int = subprocess.PIPE,
        env: dict[str, str] | None = None,
        **options: Any,
    ) -> "subprocess.Popen[str]":
        # Ctrl-C is sent to a group of its own.
        return subprocess.Popen(
            [sys.executable, "main.py", *arguments],
            cwd=self.folder,
            env={**self.environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
            **options,
        )

    def environment(self) -> dict[str, str]:
        # No engine answers at an address like this.
        return {
            **os.environ,
            "PYTHONPATH": f"{self.folder}{os.pathsep}{PROJECT}",
            "DOCKER_HOST": f"unix://{self.folder}/no-engine.sock",
        }

    def wait_until_it_hangs(self) -> int:
        """Return when S20 has started its node and waits for what never comes.

        What is returned is the ID of the process that runs it.
        """
        return int((self.folder / "hanging").read_bytes())

    def call(self, *arguments: str) -> Finished:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=50)
        return Finished(process.returncode, out, err)

    def results(self) -> dict[str, Any]:
        document = json.loads((self.folder / "runs/latest/results.json").read_text())
        assert isinstance(document, dict)
        return document


def processes_of(run_id: str) -> list[str]:
    """Return the processes that carry the run's label."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"={run_id}/".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue  # it ended meanwhile, or is not ours
    return found
