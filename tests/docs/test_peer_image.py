"""README, "The peer by itself": its commands for Docker, and the compose file.

They run as they stand, but for what would join the network.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from peer_cli.catalog import CatalogEntry, write_catalog
from tests.docs.page import block_of
from tests.docs.terminal import PROJECT
from tests.scenarios.images.image_of import image_of, needs_engine

README = (PROJECT / "README.md").read_text(encoding="utf-8")
ASK = b'{"cmd":"list-games","id":1}\n'


@pytest.fixture
def image() -> str:
    needs_engine()
    return image_of("peer")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page says that there has to be: games, a state folder, a catalog."""
    for name in ("games/css", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "games" / "css" / "version.ini").write_text("1")
    write_catalog(tmp_path / "catalog.db", [CatalogEntry("css", "1")])
    return tmp_path


def has_the_game(out: str) -> bool:
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in out.splitlines() if line.startswith("{")
    ]
    assert lines[0]["event"] == "local-peer-ready"
    assert lines[0]["data"]["name"] == "ada"
    rows = [line["data"]["local"] for line in lines if line.get("id") == 1]
    return [[row["id"] for row in each] for each in rows] == [["css"]]


@pytest.mark.timeout(60, func_only=True)  # the image may have to be built first
@pytest.mark.usefixtures("image")
def test_a_container(folder: Path) -> None:
    making, command = block_of(README, "In Docker, on the host's network", "sh").split("\n", 1)
    assert making == "./justw peer-cli-image"
    assert "docker run -it " in command
    assert "--mdns" in command
    command = command.replace("-it ", "-i ").replace("--mdns", "--listen 127.0.0.1")
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, input=ASK, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert has_the_game(done.stdout.decode())
    assert {path.stat().st_uid for path in (folder / "state").iterdir()} == {os.getuid()}


@pytest.fixture
def quiet_service(folder: Path) -> Iterator[Mapping[str, str]]:
    """The environment of a service that joins no network; it is down at the end."""
    shutil.copy(PROJECT / "examples" / "compose" / "compose.yaml", folder)
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("UID", "GID")},
        "COMPOSE_PROJECT_NAME": f"page-{os.getpid()}",
        "PEER_CLI_NAME": "ada",
        "PEER_CLI_LISTEN": "127.0.0.1",
        "PEER_CLI_MDNS": "off",
    }
    yield environment
    down = ["docker-compose", "down", "--timeout", "5"]
    subprocess.run(down, cwd=folder, env=environment, capture_output=True, check=True)


@pytest.mark.timeout(60, func_only=True)
@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose here")
@pytest.mark.usefixtures("image")
def test_a_service(folder: Path, quiet_service: Mapping[str, str]) -> None:
    *lines, logs = block_of(README, "or as a service, with", "sh").splitlines()
    assert logs.startswith("docker-compose logs ")
    begin = subprocess.run(
        ["bash", "-euc", "\n".join(lines)],
        cwd=folder,
        env=quiet_service,
        capture_output=True,
        text=True,
        check=False,
    )
    assert begin.returncode == 0, begin.stderr
    with subprocess.Popen(
        ["bash", "-euc", f"exec {logs.replace(' logs ', ' logs --follow ')}"],
        cwd=folder, env=quiet_service, stdout=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        assert following.stdout
        out = ""
        while '"id":1' not in out:
            line = following.stdout.readline()
            assert line, out
            out += line
        following.kill()
    assert has_the_game(out)
