"""Data connections to those who are slow, and to those who only have nothing to say."""

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.address import Address
from network.certificate import Certificate, client_tls, self_signed, server_tls
from network.identity import load_or_create
from network.limits import RateLimiter
from network.pace import Pace
from sync_cli import dataline
from sync_cli.dataline import HolderLine, Line, LineLostError, serve
from sync_cli.wire import DATA_MAGIC

BLOCK = bytes(64 << 10)
WANTED = [(hashlib.sha256(BLOCK).digest(), 0)]
NO_LIMIT = RateLimiter(None)
WINDOW_S = 0.1
BUFFER = 64 << 10  # so that a holder soon notices who takes nothing


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return self_signed(load_or_create(tmp_path).private_key)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(dataline, "Pace", lambda _: Pace(WINDOW_S))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def opened(
    listener: socket.socket, certificate: Certificate, limiter: RateLimiter = NO_LIMIT
) -> tuple[HolderLine, Line]:
    """Connect to a holder; return the asking side and the holder's, behind the token."""
    asking = HolderLine(Address(*listener.getsockname()), "127.0.0.1", limiter)
    asking._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    opening = threading.Thread(
        target=asking.open, args=(client_tls(), certificate.fingerprint, b"t")
    )
    opening.start()
    there, _ = listener.accept()
    there.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    assert there.recv(len(DATA_MAGIC), socket.MSG_WAITALL) == DATA_MAGIC
    line = Line(there)
    line.secure(server_tls(certificate), accepting=True)
    line.wait(10)
    line.fill(memoryview(bytearray(1)))
    opening.join()
    return asking, line


def test_a_holder_answers_whoever_asks_seldom(
    listener: socket.socket, certificate: Certificate
) -> None:
    asking, line = opened(listener, certificate)

    def answer() -> None:
        with pytest.raises(EOFError):
            serve(line, lambda *_: BLOCK, NO_LIMIT)

    serving = threading.Thread(target=answer)
    serving.start()
    for _ in range(4):
        threading.Event().wait(WINDOW_S)  # that time passes is what is tested
        assert [bytes(one or b"") for one in asking.fetch(WANTED, [len(BLOCK)])] == [BLOCK]
    asking.close()
    serving.join()


@pytest.mark.parametrize(
    ("sending", "taking"), [(512 << 10, None), (None, 512 << 10)], ids=["upload", "download"]
)
def test_a_low_limit_is_no_stall(
    listener: socket.socket,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    sending: int | None,
    taking: int | None,
) -> None:
    monkeypatch.setattr(dataline, "STALL_S", 1.0)
    asking, line = opened(listener, certificate, RateLimiter(taking))
    large = bytes(1 << 20)

    def answer() -> None:
        with pytest.raises(EOFError):
            serve(line, lambda *_: large, RateLimiter(sending))

    serving = threading.Thread(target=answer)
    serving.start()
    for block in asking.fetch(WANTED * 2, [len(large)] * 2):
        assert bytes(block or b"") == large
    asking.close()
    serving.join()


def test_a_holder_that_sends_a_byte_now_and_then_is_given_up(
    listener: socket.socket, certificate: Certificate
) -> None:
    asking, line = opened(listener, certificate)
    gone = threading.Event()

    def trickle() -> None:
        line.send(struct.pack(">I", 1 << 20))
        for _ in range(1000):
            if gone.wait(WINDOW_S / 5):
                return
            line.send(b"x")

    sending = threading.Thread(target=trickle)
    sending.start()
    with pytest.raises(LineLostError, match="less than 1024 bytes per second"):
        list(asking.fetch(WANTED, [1 << 20]))
    gone.set()
    sending.join()
    asking.close()
    line.close()
