"""The parts that backends are made of, without any node."""

import socket
import struct
from pathlib import Path
from typing import Literal

import pytest

from scenarios.core.backends.base import (
    AddressPool,
    BackendError,
    Ended,
    LineSplitter,
    Mount,
    NodeSpec,
    Placed,
    Program,
)
from scenarios.core.backends.docker_stream import Writer, deliver


class TestLineSplitter:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_lines_are_the_same_however_the_chunks_fall(self, size: int) -> None:
        data = b"one\n\ntwo three\nfour"
        splitter = LineSplitter()
        lines = [
            line for at in range(0, len(data), size) for line in splitter.feed(data[at : at + size])
        ]
        assert lines == [b"one", b"", b"two three"]
        assert splitter.rest() == b"four"


class TestAddressPool:
    def test_it_ascends_until_all_are_back(self) -> None:
        pool = AddressPool("10.1.2.0/24", first=2, last=5)
        first, second = pool.lease(), pool.lease()
        assert (first, second) == ("10.1.2.2", "10.1.2.3")
        pool.give_back(first)
        assert pool.lease() == "10.1.2.4"
        pool.claim("10.1.2.5")
        # At the end of the network it takes what is free.
        assert pool.lease() == "10.1.2.2"
        with pytest.raises(BackendError, match="No address is left"):
            pool.lease()
        for number in range(2, 6):
            pool.give_back(f"10.1.2.{number}")
        assert pool.lease() == "10.1.2.2"

    def test_odd_addresses_are_left_out(self) -> None:
        pool = AddressPool("127.9.0.0/16", first=254, last=300)
        assert [pool.lease() for _ in range(2)] == ["127.9.0.254", "127.9.1.1"]


def test_each_mount_is_named_once(tmp_path: Path) -> None:
    one, two, three = (Mount(tmp_path / name) for name in ("one", "two", "three"))
    spec = NodeSpec(
        "n", Program((Placed(one), "x")), arguments=(Placed(two), Placed(one)), mounts=(three,)
    )
    assert spec.all_mounts() == (three, one, two)


class Recorder:
    """A Sink."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes, bool]] = []

    def line(self, stream: Literal["out", "err"], data: bytes, *, complete: bool) -> None:
        self.lines.append((stream, data, complete))

    def ended(self, ended: Ended) -> None:
        raise AssertionError("not called by deliver")


class TestDockerStream:
    @staticmethod
    def frame(stream: int, data: bytes) -> bytes:
        return struct.pack(">BxxxL", stream, len(data)) + data

    def test_frames_become_lines_of_their_stream(self) -> None:
        engine, ours = socket.socketpair()
        sink = Recorder()
        with engine, ours:
            engine.sendall(
                self.frame(1, b"a\nhalf")
                + self.frame(2, b"oh")
                + self.frame(1, b"")
                + self.frame(1, b" and half\nthe")
                + self.frame(2, b" no\n")
            )
            engine.shutdown(socket.SHUT_WR)
            deliver(ours, sink)
        assert sink.lines == [
            ("out", b"a", True),
            ("out", b"half and half", True),
            ("err", b"oh no", True),
            ("out", b"the", False),
        ]

    def test_a_strange_stream_is_an_error(self) -> None:
        engine, ours = socket.socketpair()
        with engine, ours:
            engine.sendall(self.frame(9, b"x"))
            with pytest.raises(BackendError, match="unknown stream 9"):
                deliver(ours, Recorder())

    def test_only_the_stdin_half_is_closed(self) -> None:
        engine, ours = socket.socketpair()
        with engine, ours:
            writer = Writer(ours, "test")
            writer.write(b"one\n")
            writer.close()
            with engine.makefile("rb") as stdin:
                assert stdin.read() == b"one\n"
            engine.sendall(self.frame(1, b"still there\n"))
            engine.shutdown(socket.SHUT_WR)
            sink = Recorder()
            deliver(ours, sink)
        assert sink.lines == [("out", b"still there", True)]
