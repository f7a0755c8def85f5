"""The data plane over real TCP sockets on loopback."""

import contextlib
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from network import pace
from network.address import Address
from network.limits import RateLimiter
from peer_cli.transfer.dataplane import (
    DataConnection,
    NoProgressError,
    StorageError,
    TransferCancelledError,
    TransferLostError,
)
from peer_cli.transfer.records import RecordWriter
from tests.peer_cli.transfer.dataplane_ends import DATA, KEY, LONG_S, SHORT_S, SIZE, attached


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    ("offset", "length"), [(0, SIZE), (0, 1), (5, 4096), (SIZE - 1, 1), (4096, SIZE - 4096), (7, 0)]
)
def test_exactly_the_range_arrives_in_its_place(
    ends: tuple[socket.socket, socket.socket],
    threads: ThreadPoolExecutor,
    source: int,
    target: int,
    offset: int,
    length: int,
) -> None:
    sender, receiver = attached(ends[0]), attached(ends[1])
    sending = threads.submit(sender.send_file, source, offset, length)
    receiver.receive_into_file(target, offset, length)
    sending.result(LONG_S)
    assert os.pread(target, length, offset) == DATA[offset : offset + length]
    assert os.fstat(target).st_size == (offset + length if length else 0)
    assert sender.moved_bytes == receiver.moved_bytes == length


@pytest.mark.parametrize("length", [1, 4096, SIZE])
def test_a_sealed_range_arrives_in_its_place_and_not_in_clear(
    ends: tuple[socket.socket, socket.socket],
    threads: ThreadPoolExecutor,
    source: int,
    target: int,
    length: int,
) -> None:
    sender, receiver = attached(ends[0]), attached(ends[1])
    sender.seal(bytes(32))
    receiver.seal(bytes(32))
    sending = threads.submit(sender.send_file, source, 0, length)
    first = ends[1].recv(4 + length, socket.MSG_PEEK)
    assert DATA[:length][:64] not in first or length < 16
    receiver.receive_into_file(target, 0, length)
    sending.result(LONG_S)
    assert os.pread(target, length + 1, 0) == DATA[:length]
    assert receiver.moved_bytes == sender.moved_bytes == length


def test_a_key_of_its_own_opens_nothing(
    ends: tuple[socket.socket, socket.socket], source: int, target: int
) -> None:
    sender, receiver = attached(ends[0]), attached(ends[1])
    sender.seal(bytes(32))
    receiver.seal(b"x" * 32)
    sender.send_file(source, 0, 1000)
    with pytest.raises(TransferLostError, match="not what the source sent"):
        receiver.receive_into_file(target, 0, 1000)


@pytest.mark.usefixtures("_way")
def test_what_follows_a_range_stays_on_the_connection(
    ends: tuple[socket.socket, socket.socket], target: int
) -> None:
    ends[0].sendall(b"12345678")
    receiver = attached(ends[1])
    receiver.receive_into_file(target, 0, 3)
    receiver.receive_into_file(target, 10, 5)
    assert os.pread(target, 20, 0) == b"123" + bytes(7) + b"45678"


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("sent", [b"", b"12345"])
def test_an_early_end_is_a_loss(
    ends: tuple[socket.socket, socket.socket], target: int, sent: bytes
) -> None:
    ends[0].sendall(sent)
    ends[0].shutdown(socket.SHUT_WR)
    receiver = attached(ends[1])
    with pytest.raises(TransferLostError, match="ended the connection early"):
        receiver.receive_into_file(target, 0, 6)
    assert receiver.moved_bytes == len(sent)


@pytest.mark.usefixtures("_way")
def test_a_source_that_delivers_nothing_stalls(
    ends: tuple[socket.socket, socket.socket], target: int
) -> None:
    ends[0].sendall(b"12345")
    with pytest.raises(TransferLostError, match="the source stalled"):
        attached(ends[1], SHORT_S).receive_into_file(target, 0, 6)


def test_a_receiver_that_takes_nothing_stalls(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with pytest.raises(TransferLostError, match="the receiver stalled"):
        attached(ends[0], SHORT_S).send_file(source, 0, SIZE)


@pytest.mark.usefixtures("_way")
def test_a_source_that_trickles_is_given_up(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor, target: int
) -> None:
    receiver = attached(ends[1], 0.2)
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.02):
            ends[0].send(b"x")

    trickling = threads.submit(trickle)
    try:
        with pytest.raises(NoProgressError, match="less than 1024 bytes per second"):
            receiver.receive_into_file(target, 0, SIZE)
    finally:
        over.set()
        trickling.result(LONG_S)


def test_a_receiver_that_sips_is_given_up(
    ends: tuple[socket.socket, socket.socket],
    threads: ThreadPoolExecutor,
    source: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes enough, often enough, that it never stalls."""
    monkeypatch.setattr(pace, "MIN_RATE", 1 << 30)
    ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
    ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    over = threading.Event()

    def sip() -> None:
        while not over.wait(0.02):
            ends[1].recv(16 << 10)

    sipping = threads.submit(sip)
    try:
        with pytest.raises(NoProgressError, match="moves less than"):
            attached(ends[0], 0.5).send_file(source, 0, SIZE)
    finally:
        over.set()
        sipping.result(LONG_S)


def test_a_receiver_that_talks_is_cut_off(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    ends[1].sendall(b"more!")
    assert ends[0].recv(1) == b"m"  # the rest is there too
    with pytest.raises(TransferLostError, match="more than its ticket"):
        attached(ends[0]).send_file(source, 0, 5)


def test_a_cancel_reaches_one_who_still_connects(threads: ThreadPoolExecutor) -> None:
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # until the queue is full, and the system answers nobody any more
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        connection = DataConnection(RateLimiter(None))
        began = threading.Event()

        def open_it() -> None:
            began.set()
            connection.open(Address(*listening.getsockname()), None, bytes(32), 60.0)

        opening = threads.submit(open_it)
        assert began.wait(LONG_S)
        with pytest.raises(TimeoutError):
            opening.result(SHORT_S)
        connection.cancel()
        with pytest.raises(TransferCancelledError):
            opening.result(LONG_S)
        connection.close()


def test_a_receiver_that_is_gone_is_a_loss(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    ends[1].close()
    sender = attached(ends[0])

    def send_much() -> None:
        for _ in range(10):
            sender.send_file(source, 0, SIZE)

    with pytest.raises(TransferLostError, match=r"the receiver (was lost: |is gone)"):
        send_much()


def test_a_file_that_became_shorter_is_a_loss(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    with pytest.raises(TransferLostError, match="became shorter"):
        attached(ends[0]).send_file(source, SIZE - 5, 6)


@pytest.mark.usefixtures("_way")
def test_a_receiver_that_has_closed_gets_nothing_more(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    # Where its machine is gone with it, nothing else than its farewell ever comes back.
    ends[1].shutdown(socket.SHUT_WR)
    data = attached(ends[0])
    with pytest.raises(TransferLostError, match="the receiver is gone"):
        data.send_file(source, 0, 5)
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    with pytest.raises(TransferLostError, match="the receiver is gone"):
        data.send_records(reading, RecordWriter(KEY))
    os.close(reading)
    assert data.moved_bytes == 0


@pytest.mark.usefixtures("_way")
def test_a_write_error_is_trouble_of_this_side(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    ends[0].sendall(b"12345")
    with pytest.raises(StorageError):  # the file is open for reading only
        attached(ends[1]).receive_into_file(source, 0, 5)
