"""The man in the middle, between this test and servers of its own."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from scenarios.core.node import Node
from scenarios.core.trial import Trial
from scenarios.families.pair.middle import as_text, derived, with_length
from scenarios.families.pair.specs import middle_node, relay_client_node

TOKEN, BLOB = "T" * 43, json.dumps({"blob": "c29tZXRoaW5n"})


@pytest.fixture
def middle(trial: Trial) -> Node:
    [node] = trial.start(middle_node())
    return node


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


def addr_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def dial(addr: str) -> socket.socket:
    host, _, port = addr.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_what_is_derived_is_what_the_specification_says() -> None:
    for password, bearer, key in (
        (
            b"0123456789abcdef0123456789abcdef",
            "B9nSu-S3JbvERqb-Unc7b6-En_-1vt2zgvitU0PuvJA",
            "ec8c03b1e26235f190f0ed41996807fa5b603faf4163a875cf92bcbebd262bf0",
        ),
        (
            b"fedcba9876543210fedcba9876543210",
            "uKpKiC2QxomH0HevAFcX00jyB3125sdyso-WsUKBHWc",
            "a8fde55f37db01bdcbab7319b117f9b07dc6832534b536eb5a8f4331eabd9812",
        ),
    ):
        fingerprint = as_text(password + bytes(32))
        assert as_text(derived(fingerprint, b"keibidrop-relay-lookup-v1")) == bearer
        assert derived(fingerprint, b"keibidrop-relay-encrypt-v1").hex() == key


def test_a_wire_passes_counts_and_is_cut_at_a_byte(middle: Node, listener: socket.socket) -> None:
    addr = middle.request("wire", upstream=addr_of(listener))["addr"]
    with dial(addr) as dialler:
        there, _ = listener.accept()
        dialler.sendall(b"hello")
        assert there.recv(5, socket.MSG_WAITALL) == b"hello"
        middle.request("tell_at", counts=[7], cut=True)
        there.sendall(b"0123456789")
        assert dialler.recv(7, socket.MSG_WAITALL) == b"0123456"
        assert dialler.recv(1) == b""
        there.close()
    middle.everything().wait_event("passed", cut=True)
    assert middle.request("passed") == {"bytes": 12}
    assert middle.request("recorded") == {"sizes": [[5, 7]]}


def test_a_wire_is_dead_from_a_byte_on(middle: Node, listener: socket.socket) -> None:
    addr = middle.request("wire", upstream=addr_of(listener))["addr"]
    with dial(addr) as dialler:
        there, _ = listener.accept()
        middle.request("tell_at", counts=[1], cut=True, dead=True)
        there.sendall(b"ab")
        assert dialler.recv(2, socket.MSG_WAITALL) == b"a"
        there.close()
    with dial(addr) as dialler:
        assert dialler.recv(1) == b""


def test_a_wire_is_mute_dead_and_alive_again(middle: Node, listener: socket.socket) -> None:
    addr = middle.request("wire", upstream=addr_of(listener))["addr"]
    with dial(addr) as dialler:
        there, _ = listener.accept()
        middle.request("mute", on=True)
        dialler.sendall(b"a")
        there.settimeout(0.2)
        with pytest.raises(TimeoutError):
            there.recv(1)
        there.settimeout(10)
        middle.request("mute", on=False)
        assert there.recv(1) == b"a"
        middle.request("dead", on=True)
        assert there.recv(1) == b""
        there.close()
    with dial(addr) as dialler:
        assert dialler.recv(1) == b""
    middle.request("dead", on=False)
    with dial(addr):
        listener.accept()[0].close()


def test_a_byte_is_changed_and_words_are_replayed(middle: Node, listener: socket.socket) -> None:
    addr = middle.request("wire", upstream=addr_of(listener))["addr"]
    middle.request("alter", at=2)
    with dial(addr) as dialler:
        there, _ = listener.accept()
        dialler.sendall(b"aaaa")
        assert there.recv(4, socket.MSG_WAITALL) == b"aa`a"
        there.close()
    replayed = middle.send("replay", addr=addr_of(listener), connection=0)
    there, _ = listener.accept()
    assert there.recv(4, socket.MSG_WAITALL) == b"aa`a"
    there.sendall(b"no")
    there.close()
    assert replayed.data() == {"answered": 2, "closed": True}


class Relay(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, BLOB.encode())

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self._answer(201, self.rfile.read(size) + str(self.headers["Authorization"]).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        pass


@pytest.fixture
def relay() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_client_asks_a_relay_through_the_middle(trial: Trial, middle: Node, relay: str) -> None:
    addr = middle.request("relay", upstream=relay)["addr"]
    [client] = trial.start(relay_client_node("client"))
    answer = client.request(
        "ask", addr=addr, method="POST", path="/register", token=TOKEN, body=BLOB
    )
    assert (answer["status"], answer["body"]) == (201, f"{BLOB}Bearer {TOKEN}")
    assert client.request("ask", addr=addr, method="GET", path="/fetch")["body"] == BLOB
    assert client.request("guess", addr=addr, count=5, seed=1)["statuses"] == {"200": 5}
    told = middle.everything()
    told.wait_event("asked", where=lambda one: "register" in one.data["request"])
    asked = told.events("asked", where=lambda one: "register" in one.data["request"])
    assert [event.data["status"] for event in asked] == [201]


def test_a_registration_is_swapped_for_noise(trial: Trial, middle: Node, relay: str) -> None:
    addr = middle.request("relay", upstream=relay)["addr"]
    [client] = trial.start(relay_client_node("client"))
    fingerprint = as_text(bytes(range(64)))
    middle.request("swap", fingerprint=fingerprint, what="blob")
    token = middle.request("token", fingerprint=fingerprint)["token"]
    told = client.request("ask", addr=addr, method="GET", path="/fetch", token=token)
    assert told["body"] != BLOB
    assert len(json.loads(told["body"])["blob"]) == len(json.loads(BLOB)["blob"])


def test_what_it_cannot_open_is_passed_on_as_it_is(trial: Trial, middle: Node, relay: str) -> None:
    addr = middle.request("relay", upstream=relay)["addr"]
    [client] = trial.start(relay_client_node("client"))
    fingerprint = as_text(bytes(range(64)))
    middle.request("swap", fingerprint=fingerprint, what="address")
    token = middle.request("token", fingerprint=fingerprint)["token"]
    told = client.request("ask", addr=addr, method="GET", path="/fetch", token=token)
    assert (told["status"], told["body"]) == (200, BLOB)


def test_the_length_of_an_answer_is_said_once() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX: y\r\n\r\n"
    assert with_length(head, 7) == b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX: y\r\n\r\n"
