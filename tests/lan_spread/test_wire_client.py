"""The raw client against a live peer: an honest handshake, dishonest ones, tickets."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer_cli.identity import load_or_create
from peer_cli.network.certificate import self_signed, server_tls
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.errors import CommandFailed
from scenarios.core.label import own_label
from scenarios.core.session import Session
from scenarios.lan_spread.games import catalog_version
from scenarios.lan_spread.lan import Lan
from scenarios.lan_spread.peers import Peer
from scenarios.lan_spread.raw_client import NO_BYTES, RawClient, sent
from scenarios.lan_spread.specs import peer


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    backend = ProcessBackend(own_label("test-wire-client"))
    try:
        with Session(backend, tmp_path / "log") as session:
            made = Lan(session, tmp_path / "work")
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
    tls = server_tls(self_signed(load_or_create(tmp_path).private_key), tmp_path)
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
