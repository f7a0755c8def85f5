"""Reads a stream in a thread, ahead of the one that checks and writes what was read."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

BUFFER_BYTES = 2 << 20  # measured: smaller ones cost hand-overs between the threads
BUFFERS = 4  # one is read into, one is worked on, two even out their speeds


def read_ahead(
    read_into: Callable[[memoryview], int], stop: Callable[[], None]
) -> Generator[memoryview]:
    """Yield the stream's fragments until its end; each is valid until the next one is asked for.

    `read_into` fills the start of the given memory and returns how many bytes that were, 0 at the
    end, as `socket.recv_into` does. What it raises is raised here, after the fragments before it.
    Close the iterator, also after an error: it calls `stop`, which has to make a read that still
    waits return or raise at once.
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
