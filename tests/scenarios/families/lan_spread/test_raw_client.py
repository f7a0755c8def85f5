"""The raw client against a live peer: an honest handshake, dishonest ones, tickets."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network.certificate import self_signed, server_tls
from network.identity import load_or_create
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.errors import CommandFailed
from scenarios.core.label import own_label
from scenarios.core.trial import Trial
from scenarios.families.lan_spread.games import catalog_version
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.raw_client import NO_BYTES, RawClient, advertised, sent
from scenarios.families.lan_spread.specs import peer


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    backend = ProcessBackend(own_label("test-wire-client"))
    try:
        with Trial(backend, tmp_path / "log") as trial:
            made = Lan(trial, tmp_path / "work")
            yield made
            made.close()
    finally:
        backend.close()


@pytest.fixture
def bravo(lan: Lan) -> Peer:
    return lan.start(peer("bravo", "fixture-bravo"))[0]


@pytest.fixture
def raw(lan: Lan) -> RawClient:
    return lan.raw_client()


def test_an_honest_handshake(bravo: Peer, raw: RawClient) -> None:
    session = raw.dial(bravo)
    assert session.peer_id == bravo.peer_id
    assert [row["name"] for row in bravo.known()] == ["raw client"]
    assert [game["id"] for game in session.library()] == ["bfbc2", "cnc4", "cnctw", "ggoo"]


def test_the_peers_own_key_is_refused(bravo: Peer, raw: RawClient) -> None:
    key = raw.dial(bravo).public_key
    with pytest.raises(CommandFailed) as refusal:
        raw.dial(bravo, public_key=key)
    assert refusal.value.code == "self-connect"


def test_somebody_elses_key_is_refused(lan: Lan, bravo: Peer, raw: RawClient) -> None:
    [alpha] = lan.start(peer("alpha", "fixture-alpha"))
    key = raw.dial(alpha).public_key
    with pytest.raises(CommandFailed) as refusal:
        raw.dial(bravo, public_key=key)
    assert refusal.value.code == "bad-proof"
    assert bravo.known() == []


def test_nobody_answers(bravo: Peer, raw: RawClient) -> None:
    bravo.shutdown()
    with pytest.raises(CommandFailed) as refusal:
        raw.dial(bravo)
    assert refusal.value.code == "unreachable"


@pytest.mark.parametrize("says", [None, b"", b'{"type":"hello"}\n'])
def test_somebody_else_answers(raw: RawClient, says: bytes | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        dialled = raw.node.send("dial", addr=f"{host}:{port}", public_key="")
        connection, _ = server.accept()
        with connection:
            if says is not None:  # None: it waits for a line that never comes
                connection.sendall(says)
                connection.close()
            with pytest.raises(CommandFailed) as refusal:
                dialled.data()
    assert refusal.value.code == "other-protocol"


@pytest.mark.parametrize("says", [None, b"", b"\xff\xff\xff\xff", b"\0\0\0\1\xc1"])
def test_tls_alone_is_no_hello(raw: RawClient, tmp_path: Path, says: bytes | None) -> None:
    tls = server_tls(self_signed(load_or_create(tmp_path).private_key))
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        dialled = raw.node.send("dial", addr=f"{host}:{port}", public_key="")
        connection, _ = server.accept()
        with tls.wrap_socket(connection, server_side=True) as encrypted:
            if says is not None:  # None: silence
                encrypted.sendall(says)
                encrypted.close()
            with pytest.raises(CommandFailed, match="no hello came") as refusal:
                dialled.data()
    assert refusal.value.code == "other-protocol"


def test_a_ticket_works_once_and_a_guess_never(bravo: Peer, raw: RawClient) -> None:
    session = raw.dial(bravo)
    file = bravo.root("cnc4") / "version.ini"
    version = catalog_version("cnc4")
    length = file.stat().st_size
    assert session.fetch("cnc4", version, ("version.ini", length)) == sent(file)
    ranges = [{"path": "version.ini", "offset": 0, "length": length}]
    ticket = raw.node.request(
        "open-transfer", session=0, game_id="cnc4", version=version, ranges=ranges
    )["ticket"]
    first = raw.node.request("redeem", addr=bravo.addr, ticket=ticket)
    assert first["received"] == length
    for bad in (ticket, "00" * 32):
        again = raw.node.request("redeem", addr=bravo.addr, ticket=bad)
        assert again == {"received": 0, "sha256": NO_BYTES}


def test_a_stream_is_read_by_the_key_of_its_ticket_only(bravo: Peer, raw: RawClient) -> None:
    session = raw.dial(bravo)
    assert session.library()
    asked: dict[str, Any] = {"session": 0, "game_id": "cnctw", "version": catalog_version("cnctw")}
    opened = raw.node.request("open-stream", **asked)
    got = raw.node.request("redeem-stream", addr=bravo.addr, **opened)
    assert got["received"] > 3 << 20
    assert bytes.fromhex(got["begin"])[5:9] == b"LSE2"
    opened = raw.node.request("open-stream", **asked)
    with pytest.raises(CommandFailed) as caught:
        raw.node.request("redeem-stream", addr=bravo.addr, ticket=opened["ticket"], key="00" * 32)
    assert caught.value.code == "not-authentic"


def test_a_question_about_a_game_that_is_not_offered_is_denied(lan: Lan, raw: RawClient) -> None:
    [client] = lan.start(peer("client"))
    session, window = raw.dial(client), client.window()
    session.advertise(advertised("alienswarm", catalog_version("alienswarm")))
    window.wait_event("remote-library-changed", game_count=1)
    client.download("alienswarm", install=False).failed_or_gone()
    assert session.manifest_code("ggoo") == "not-downloaded"
    assert [line.text for line in raw.node.everything().lines() if line.stream == "err"] == []
