"""The example peer in another language does under the scenarios what docs/foreign-peers.md says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.family.discovery import discover, every_family
from scenarios.family.ids import select_ids

PROJECT = Path(__file__).parents[2]
COMMAND = "node examples/node-peer/peer.mjs"
DOCUMENT = PROJECT / "docs" / "foreign-peers.md"
OLDEST_NODE = 18
PARTS = ("headless", "network", "store", "peer_cli", "scenarios", "fixtures", "examples")


def documented() -> dict[str, str]:
    """Return the outcome that the document's table tells of each scenario."""
    text = DOCUMENT.read_text(encoding="utf-8")
    [table] = re.findall(r"<!-- outcomes: tests.*?-->\n(.*?)<!-- outcomes: end -->", text, re.S)
    told: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        *_, ids, outcome = (cell.strip() for cell in row.strip("|").split("|"))
        for scenario_id in select_ids([ids], discover(every_family())):
            assert scenario_id not in told, f"{scenario_id} is in two rows"
            told[scenario_id] = outcome
    return told


@pytest.fixture(autouse=True)
def node_is_there() -> None:
    """Skip where there is no Node.js, or only one that is too old."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no `node` here, which the example peer is written for")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version.stdout.strip()}; the example peer needs {OLDEST_NODE}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, so that the runs of whoever tests it are left alone."""
    for part in PARTS:
        shutil.copytree(PROJECT / part, tmp_path / part)
    cache = PROJECT / ".cache" / "fixtures"
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "fixtures").symlink_to(cache)
    return tmp_path


@pytest.mark.timeout(300)
def test_outcomes_are_what_the_document_says(project: Path) -> None:
    assert COMMAND in DOCUMENT.read_text(encoding="utf-8")
    known = discover(every_family())
    # Those that measure take the whole machine, and long.
    want = {one: told for one, told in documented().items() if not known[one].info.measures}
    assert {"passed", "unsupported"} == set(want.values())
    done = subprocess.run(
        [sys.executable, "-m", "scenarios", "run", *want, "--peer-command", COMMAND],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    results = json.loads((project / "runs" / "latest" / "results.json").read_text())
    rows = {row["id"]: row for row in results["scenarios"]}
    assert {one: row["outcome"] for one, row in rows.items()} == want, done.stdout + done.stderr
    assert done.returncode == 0
    assert all(row["evidence"] for row in rows.values() if row["outcome"] == "passed")
    assert all(row["reason"] for row in rows.values() if row["outcome"] == "unsupported")
    assert results["peer"] == f"--program {shlex.quote(f'lan.peer={COMMAND}')}"
