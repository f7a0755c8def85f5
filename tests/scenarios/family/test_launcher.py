"""What the launcher tells of a node."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.family import launcher

# It works until it has used two seconds of a core, says so, and then waits.
NODE = """
import os, sys, time
os.set_blocking(0, True)
for line in sys.stdin:
    while time.process_time() < 2:
        pass
    print("done", flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not tell")
def test_a_node_that_works_does_not_rest() -> None:
    told = subprocess.run(
        [sys.executable, launcher.__file__, sys.executable, "-c", NODE],
        input=b'work\n{"cmd": "rests", "id": 1}\n',
        capture_output=True,
        timeout=60,
        check=True,
    )
    done, rests = told.stdout.splitlines()
    assert done == b"done"
    assert json.loads(rests) == {"type": "result", "id": 1, "data": {}}
