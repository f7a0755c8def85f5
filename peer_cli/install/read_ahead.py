"""Reads a stream in a thread of its own, ahead of the code that checks and writes the data."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

BUFFER_BYTES = 2 << 20  # measured: with smaller ones, switching threads costs more
BUFFERS = 4  # one to read into, one to work on, two to even out speeds


def read_ahead(
    read_into: Callable[[memoryview], int], stop: Callable[[], None]
) -> Generator[memoryview]:
    """Yield the stream's fragments until its end; each is valid until the next is requested.

    `read_into` fills the start of the given memory and returns how many bytes that were, or 0 at
    the end, as `socket.recv_into` does. Its exceptions are raised here, after the fragments before
    them. Always close the iterator: that calls `stop`, which must make a blocked read return or
    raise at once.
    """
    empty: SimpleQueue[memoryview | None] = SimpleQueue()
    full: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()

    def read() -> None:
        try:
            while (buffer := empty.get()) is not None and (count := read_into(buffer)):
                full.put((buffer, count))
        finally:
            full.put(None)

    for _ in range(BUFFERS):
        empty.put(memoryview(bytearray(BUFFER_BYTES)))
    with ThreadPoolExecutor(1, "read-ahead") as thread:
        reading = thread.submit(read)
        try:
            while (filled := full.get()) is not None:
                buffer, count = filled
                yield buffer[:count]
                empty.put(buffer)
            reading.result()
        finally:
            stop()
            empty.put(None)
