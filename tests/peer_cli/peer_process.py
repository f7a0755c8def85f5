"""A real peer as a child process, for what only shows there: exit codes, stdout, signals."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peer_cli.catalog import CatalogEntry, write_catalog
from tests.headless.node_process import unprivileged

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Folders and a catalog to start a peer with."""

    folder: Path

    @property
    def games_dir(self) -> Path:
        return self.folder / "games"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def catalog(self) -> Path:
        return self.folder / "game.db"

    def flags(self, changes: Mapping[str, object] | None = None) -> list[str]:
        """The flags of a peer on loopback, with some of them changed."""
        flags: dict[str, object] = {
            "--games-dir": self.games_dir,
            "--state-dir": self.state_dir,
            "--catalog-db": self.catalog,
            "--listen": "127.0.0.1",
            "--name": "test",
        }
        return [str(part) for flag in (flags | dict(changes or {})).items() for part in flag]


def make_place(folder: Path, game_id: str = "ggoo") -> Place:
    place = Place(folder)
    place.games_dir.mkdir()
    write_catalog(place.catalog, [CatalogEntry(game_id, "1")])
    return place


def command_line(flags: Sequence[str]) -> list[str]:
    return [*unprivileged(), sys.executable, "-m", "peer_cli", *flags]


def run_peer(
    flags: Sequence[str], stdin: bytes = b"", *, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a peer on this input to its end."""
    return subprocess.run(
        command_line(flags),
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT_S,
        env={**os.environ, **(variables or {})},
        check=False,
    )


def start_peer(flags: Sequence[str], stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command_line(flags),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what readline has not returned is left for communicate
    )


def ask(peer: subprocess.Popen[bytes], command: Mapping[str, object]) -> dict[str, Any]:
    """Send a command to a running peer and return its reply; events are passed over."""
    assert peer.stdin
    assert peer.stdout
    peer.stdin.write(json.dumps(command).encode() + b"\n")
    while True:
        line: dict[str, Any] = json.loads(peer.stdout.readline())
        if line["type"] != "event":
            return line


def lines_of(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def replies_of(out: bytes) -> list[dict[str, Any]]:
    return [line for line in lines_of(out) if line["type"] != "event"]
