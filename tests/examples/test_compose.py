"""The compose file for real use."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from peer_cli.settings import make_parser

FILE = Path(__file__).parents[2] / "examples" / "compose" / "compose.yaml"


def test_its_variables_are_flags_of_the_peer() -> None:
    options = make_parser({}).format_help()
    variables = re.findall(
        r"^      PEER_CLI_(\w+):", FILE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(variables) == 4
    for variable in variables:
        assert f"--{variable.lower().replace('_', '-')} " in options


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose here")
def test_compose_reads_it_with_and_without_variables() -> None:
    for own, user, name in (({}, "1000:1000", "''"), ({"UID": "7", "GID": "8"}, "7:8", "ada")):
        variables = {"PATH": os.environ["PATH"], **own}
        if own:
            variables["PEER_CLI_NAME"] = name
        read = subprocess.run(
            ["docker-compose", "-f", str(FILE), "config"],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"user: {user}" in read.replace("'", "").replace('"', "")
        assert f"PEER_CLI_NAME: {name}" in read.replace('"', "'")
