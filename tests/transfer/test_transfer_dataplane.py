"""The data plane over real TCP sockets on loopback."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from game_files import content

from peer_cli.limits import RateLimiter
from peer_cli.network.address import Address
from peer_cli.transfer import dataplane
from peer_cli.transfer.dataplane import (
    DataConnection,
    StorageError,
    TransferCancelledError,
    TransferLostError,
    read_block,
)

LONG_S, SHORT_S = 10.0, 0.05
SIZE = 3 * 1024 * 1024 + 17
DATA = content("data", SIZE)


@pytest.fixture(params=["splice", "copy"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receive both ways: by splice, and by copying as on systems that have none."""
    if request.param == "copy":
        monkeypatch.setattr(dataplane, "sys", SimpleNamespace(platform="other"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected pair of TCP sockets."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as one,
    ):
        other, _ = listening.accept()
        with other:
            yield one, other


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    file = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)
    yield file
    os.close(file)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "source").write_bytes(DATA)
    file = os.open(tmp_path / "source", os.O_RDONLY)
    yield file
    os.close(file)


def attached(
    connection: socket.socket, stall_s: float = LONG_S, rate: int | None = None
) -> DataConnection:
    data = DataConnection(RateLimiter(rate))
    data.attach(connection, stall_s)
    return data


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
        data.send_pipe(reading)
    os.close(reading)
    assert data.moved_bytes == 0


@pytest.mark.usefixtures("_way")
def test_a_write_error_is_trouble_of_this_side(
    ends: tuple[socket.socket, socket.socket], source: int
) -> None:
    ends[0].sendall(b"12345")
    with pytest.raises(StorageError):  # the file is open for reading only
        attached(ends[1]).receive_into_file(source, 0, 5)


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
        attached(ends[0]).send_pipe(reading)
        ends[0].shutdown(socket.SHUT_WR)

    jobs = [threads.submit(write), threads.submit(send)]
    receiver = attached(ends[1])
    received = bytearray()
    buffer = memoryview(bytearray(65536))
    while count := receiver.receive_some(buffer):
        received += buffer[:count]
    for job in jobs:
        job.result(LONG_S)
    os.close(reading)
    assert received == DATA
    assert receiver.moved_bytes == SIZE


@pytest.mark.usefixtures("_way")
def test_a_receiver_that_closes_while_the_pipe_is_empty_is_noticed(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor
) -> None:
    reading, writing = os.pipe()
    sender = attached(ends[0])
    running = threads.submit(sender.send_pipe, reading)
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
    running = threads.submit(sender.send_pipe, reading)
    sender.cancel()
    with contextlib.suppress(TransferCancelledError):  # or the end of the pipe came first
        running.result(LONG_S)
    os.close(reading)
    with pytest.raises(TransferCancelledError):
        sender.on_cancel(lambda: None)


# --- read_block -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "length", "whole"),
    [(0, SIZE, True), (SIZE - 5, 5, True), (SIZE - 5, 6, False), (SIZE, 1, False), (SIZE, 0, True)],
)
def test_reading_a_block_back(source: int, offset: int, length: int, whole: bool) -> None:
    buffer = memoryview(bytearray(length))
    assert read_block(source, offset, buffer) is whole
    if whole:
        assert bytes(buffer) == DATA[offset : offset + length]
