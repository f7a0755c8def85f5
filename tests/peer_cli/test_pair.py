"""Two real peers, once: that the parts fit together. All else is what scenarios are for."""

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peer_cli.peer_process import TIMEOUT_S, Place, make_place, start_peer

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


def link_local() -> str:
    """A link-local IPv6 address of this machine with its interface, or "" where there is none."""
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else []:
        packed, _, _, scope, _, interface = line.split()
        if scope == "20":
            return f"{ipaddress.IPv6Address(bytes.fromhex(packed))}%{interface}"
    return ""


@pytest.mark.parametrize("ips", ["all of IPv6", "link-local"])
@pytest.mark.parametrize("caller", ["source", "client"])
def test_a_download_over_any_kind_of_address(tmp_path: Path, ips: str, caller: str) -> None:
    own = "[::]" if ips == "all of IPv6" else f"[{link_local()}]"
    if own == "[]":
        pytest.skip("this machine has no link-local address")
    for name in ("source", "client"):
        (tmp_path / name).mkdir()
    other = own if ips == "link-local" else "127.0.0.1"
    with (
        running(
            make_place(tmp_path / "source"), name="source", fixture="ggoo", listen=own
        ) as source,
        running(make_place(tmp_path / "client"), name="client", listen=other) as client,
    ):
        ready = {
            "source": source.until("local-peer-ready"),
            "client": client.until("local-peer-ready"),
        }
        source.until("local-library-changed")
        client.until("local-library-changed")
        if caller == "source":
            address = ready["client"]["addr"]
            source.ask(cmd="connect", addr=address)
            client.until("remote-library-changed")
        else:
            address = ready["source"]["addr"]
            if ips != "link-local":
                address = f"127.0.0.1:{address.rpartition(':')[2]}"
            assert client.ask(cmd="connect", addr=address)["data"]["addr"] == address
        assert client.ask(cmd="download", game_id="ggoo", install=False)["type"] == "result"
        done = client.until("download-finished")
        assert done["game_id"] == "ggoo"
        chunks = [e["data"] for e in client.events if e["event"] == "download-chunk-finished"]
        (known,) = client.ask(cmd="list-peers")["data"]["peers"]
        assert {chunk["peer_addr"] for chunk in chunks} == {known["addr"]}
        assert "ffff" not in known["addr"]
        if ips == "link-local":
            assert known["addr"] == ready["source"]["addr"]
            assert "%" in known["addr"]


@pytest.mark.parametrize("game_id", ["x" * 248, "\u00e9" * 127 + "x"])
def test_an_id_may_be_as_long_as_a_name(tmp_path: Path, game_id: str) -> None:
    places = []
    for name in ("alpha", "client"):
        (tmp_path / name).mkdir()
        places.append(make_place(tmp_path / name, game_id))
    with (
        running(places[0], name="alpha", fixture=game_id) as alpha,
        running(places[1], name="client", unpacker="fixture") as client,
    ):
        address = alpha.until("local-peer-ready")["addr"]
        alpha.until("local-library-changed")
        client.ask(cmd="connect", addr=address)
        assert client.ask(cmd="remove", game_id=game_id)["code"] == "nothing-to-remove"
        client.ask(cmd="download", game_id=game_id)
        client.until("install-finished")
        assert "data" in client.ask(cmd="play", game_id=game_id, username="u", language="l")
        client.ask(cmd="uninstall", game_id=game_id)
        client.until("uninstall-finished")
        client.ask(cmd="remove", game_id=game_id)
        client.until("remove-finished")
        client.ask(cmd="stream-install", game_id=game_id)
        client.until("install-finished")
        assert client.ask(cmd="remove", game_id="y" * 256)["code"] == "nothing-to-remove"
        assert list(places[1].games_dir.rglob("*.eti")) == []
