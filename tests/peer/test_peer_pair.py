"""Two real peers, once: that the parts fit together. All else is what scenarios are for."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from peer_process import TIMEOUT_S, Place, make_place, start_peer

pytestmark = pytest.mark.timeout(TIMEOUT_S)


class Running:
    """A peer that is asked over its pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    def next_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        if line["type"] == "event":
            self.events.append(line)
        return line

    def until(self, event: str) -> dict[str, Any]:
        while True:
            line = self.next_line()
            if line.get("event") == event:
                data: dict[str, Any] = line["data"]
                return data

    def ask(self, **command: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            line = self.next_line()
            if line["type"] != "event":
                return line


@contextmanager
def running(place: Place, **flags: object) -> Iterator[Running]:
    changes = {"--" + name.replace("_", "-"): value for name, value in flags.items()}
    with start_peer(place.flags(changes)) as process:
        try:
            yield Running(process)
            _, err = process.communicate(timeout=TIMEOUT_S)  # closes its stdin: the end
            assert (process.returncode, err) == (0, b"")
        finally:
            process.kill()


def test_two_peers_meet_and_one_downloads_and_installs(tmp_path: Path) -> None:
    places = []
    for name in ("alpha", "client"):
        (tmp_path / name).mkdir()
        places.append(make_place(tmp_path / name))
    with (
        running(places[0], name="alpha", fixture="ggoo") as alpha,
        running(places[1], name="client", unpacker="fixture") as client,
    ):
        address = alpha.until("local-peer-ready")["addr"]
        alpha.until("local-library-changed")
        connected = client.ask(cmd="connect", addr=address)["data"]
        listed = client.ask(cmd="list-games")["data"]["remote"]
        assert [(row["id"], row["peer_count"]) for row in listed] == [("ggoo", 1)]
        assert client.ask(cmd="download", game_id="ggoo")["type"] == "result"
        client.until("install-finished")
        chunks = [e["data"] for e in client.events if e["event"] == "download-chunk-finished"]
        assert {chunk["peer_id"] for chunk in chunks} == {connected["peer_id"]}
        known = alpha.ask(cmd="list-peers")["data"]["peers"]
        assert [peer["name"] for peer in known] == ["client"]
    ours, theirs = (place.games_dir / "ggoo" for place in places)
    for file in ("ggoo.eti", "version.ini"):
        assert (ours / file).read_bytes() == (theirs / file).read_bytes()
    assert (theirs / "local" / "fixture-payload.txt").read_bytes()
