"""Opening, cancelling and limiting data connections, and sending from a pipe."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from network.address import Address
from network.limits import RateLimiter
from peer_cli.transfer.dataplane import (
    DataConnection,
    TransferCancelledError,
    TransferLostError,
)
from peer_cli.transfer.records import RECORD_BYTES, RecordReader, RecordWriter
from tests.peer_cli.transfer.dataplane_ends import DATA, KEY, LONG_S, SIZE, attached


def works(data: DataConnection, source: int, target: int) -> dict[str, Callable[[], object]]:
    def send_much() -> None:
        for _ in range(10):  # more than the sockets' buffers take
            data.send_file(source, 0, SIZE)

    return {
        "receive_into_file": lambda: data.receive_into_file(target, 0, SIZE),
        "receive_some": lambda: data.receive_some(memoryview(bytearray(5))),
        "send_file": send_much,
    }


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("work", ["receive_into_file", "receive_some", "send_file"])
@pytest.mark.parametrize("early", [False, True], ids=["meanwhile", "before"])
def test_any_thread_can_cancel(
    ends: tuple[socket.socket, socket.socket],
    threads: ThreadPoolExecutor,
    source: int,
    target: int,
    work: str,
    early: bool,
) -> None:
    data = attached(ends[0])
    began = threading.Event()

    def at_it() -> None:
        began.set()
        works(data, source, target)[work]()

    if early:
        data.cancel()
    running: Future[None] = threads.submit(at_it)
    assert began.wait(LONG_S)
    data.cancel()
    with pytest.raises(TransferCancelledError):
        running.result(LONG_S)


def test_a_cancel_reaches_one_who_waits_for_the_limit(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor, target: int
) -> None:
    ends[0].sendall(b"x" * 1000)
    receiver = attached(ends[1], rate=1)  # so many bytes take a quarter of an hour
    running = threads.submit(receiver.receive_into_file, target, 0, 1000)
    receiver.cancel()
    with pytest.raises(TransferCancelledError):
        running.result(LONG_S)


def test_a_limit_is_kept(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor, target: int
) -> None:
    asked: list[int] = []

    class Counting(RateLimiter):
        def acquire(self, count: int, cancelled: threading.Event) -> bool:
            asked.append(count)
            return True

    receiver = DataConnection(Counting(100_000))
    receiver.attach(ends[1], LONG_S)
    sending = threads.submit(ends[0].sendall, DATA[:50_000])
    receiver.receive_into_file(target, 0, 50_000)
    sending.result(LONG_S)
    assert sum(asked) == 50_000  # every byte was paid for
    assert max(asked) <= 5000  # in slices


def test_attaching_a_cancelled_transfer_ends_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    data = DataConnection(RateLimiter(None))
    data.cancel()
    with pytest.raises(TransferCancelledError):
        data.attach(ends[0], LONG_S)


# --- opening ----------------------------------------------------------------------------------


def test_opening_shows_the_ticket_from_the_own_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        data = DataConnection(RateLimiter(None))
        address = Address(*listening.getsockname())
        data.open(address, "127.0.0.3", bytes(range(32)), LONG_S)
        accepted, origin = listening.accept()
        with accepted:
            assert origin[0] == "127.0.0.3"
            data.close()
            received = b""
            while part := accepted.recv(100):
                received += part
            assert received == b"LSD1" + bytes(range(32))


def test_a_source_that_is_gone_is_a_loss() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = Address(*closed.getsockname())
    data = DataConnection(RateLimiter(None))
    with pytest.raises(TransferLostError, match=f"no data connection to {address}: "):
        data.open(address, None, bytes(32), LONG_S)


def test_an_own_address_that_is_gone_is_a_loss() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        data = DataConnection(RateLimiter(None))
        with pytest.raises(TransferLostError):
            data.open(Address(*listening.getsockname()), "192.0.2.1", bytes(32), LONG_S)


def test_a_cancelled_transfer_is_not_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        data = DataConnection(RateLimiter(None))
        data.cancel()
        with pytest.raises(TransferCancelledError):
            data.open(Address(*listening.getsockname()), None, bytes(32), LONG_S)
        data.close()


# --- pipes ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_way")
def test_a_pipe_is_sent_to_its_end(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor
) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(DATA)

    def send() -> None:
        attached(ends[0]).send_records(reading, RecordWriter(KEY))
        ends[0].shutdown(socket.SHUT_WR)

    jobs = [threads.submit(write), threads.submit(send)]
    receiver = attached(ends[1])
    records = RecordReader(receiver.receive_some, KEY)
    received = bytearray()
    buffer = memoryview(bytearray(RECORD_BYTES))
    while count := records.read_into(buffer):
        received += buffer[:count]
    for job in jobs:
        job.result(LONG_S)
    os.close(reading)
    assert received == DATA
    assert receiver.moved_bytes > SIZE


@pytest.mark.usefixtures("_way")
def test_a_receiver_that_closes_while_the_pipe_is_empty_is_noticed(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor
) -> None:
    reading, writing = os.pipe()
    sender = attached(ends[0])
    running = threads.submit(sender.send_records, reading, RecordWriter(KEY))
    ends[1].shutdown(socket.SHUT_WR)
    with pytest.raises(TransferLostError, match="the receiver is gone"):
        running.result(LONG_S)
    os.close(reading)
    os.close(writing)


def test_a_cancel_ends_what_feeds_the_pipe(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor
) -> None:
    reading, writing = os.pipe()
    sender = attached(ends[0])
    sender.on_cancel(lambda: os.close(writing))  # stands for killing the helper
    running = threads.submit(sender.send_records, reading, RecordWriter(KEY))
    sender.cancel()
    with contextlib.suppress(TransferCancelledError):  # or the end of the pipe came first
        running.result(LONG_S)
    os.close(reading)
    with pytest.raises(TransferCancelledError):
        sender.on_cancel(lambda: None)
