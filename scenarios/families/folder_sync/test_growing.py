"""A file that is written while it is sent: F20."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import itertools
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.specs import Launch, peer
from scenarios.families.folder_sync.sync import Sync

MIB = 1 << 20
LONG_S = 60.0
BLOCKS = 12
RECORD = 64
PAUSE_S = 0.01


@scenario(
    "F20", name="Appended to while it is sent",
    proves="a file that is appended to a hundred times a second while it is sent is never held by "
    "anybody as a mixture of two moments, nobody is blamed for it, and it is whole on all when it "
    "is still",
    timeout_s=300,
)  # fmt: skip
def appended(sync: Sync) -> None:
    # At this rate all of it takes 8 s: it changes before it can have been sent. On a disk with
    # times of 2 s a file is still only after that time, even if a busy machine keeps the writer.
    alpha, *others = sync.swarm(
        peer("alpha", {"log": _log(100)}, "--upload-limit", "3MiB", launch=Launch(grain_s=2)),
        "bravo",
        "charlie",
    )
    windows = {one: one.window() for one in others}
    with _growing(alpha.folder / "log") as grow:
        fault = sync.faults.when(
            windows[others[0]], "fetch-begin", path="log", do=grow, what="append, and go on"
        )
        alpha.save("log", _log(1000))
        fault.carried_out(LONG_S)
        ended = {
            str(one): window.wait_event(
                "fetch-failed", "fetch-finished", path="log", timeout=LONG_S
            )
            for one, window in windows.items()
        }
        held = {str(one): _mixture(one.read("log")) for one in others}
    sync.check.equal("mixtures while it grows", held, dict.fromkeys(map(str, others), ""))
    for window in windows.values():
        window.none_of("source-dropped", what="nobody is taken for a liar")
    sync.in_step(alpha, *others)
    why = {one: event.data.get("code", event.name) for one, event in ended.items()}
    records = _records(alpha.read("log"))
    sync.evidence(f"{records - 1000} records were appended; the fetches ended with {why}")


def _log(records: int) -> bytes:
    """Return a file of blocks that each begin with the number of records, and then the records."""
    body = b"".join(_number(records) + bytes([block]) * (MIB - 8) for block in range(1, BLOCKS + 1))
    return body + b"".join(map(_record, range(1, records + 1)))


def _number(number: int) -> bytes:
    return struct.pack(">Q", number)


def _record(number: int) -> bytes:
    return _number(number) * (RECORD // 8)


def _records(data: bytes) -> int:
    return (len(data) - BLOCKS * MIB) // RECORD


@contextmanager
def _growing(path: Path) -> Iterator[Callable[[], None]]:
    """Yield what begins to append to a file; it ends with the context."""
    stop = threading.Event()
    writer = threading.Thread(target=_append, args=(path, stop))
    try:
        yield writer.start
    finally:
        stop.set()
        if writer.ident is not None:
            writer.join()


def _append(path: Path, stop: threading.Event) -> None:
    """Append a record, then write its number into each block, a hundred times a second."""
    with path.open("r+b", buffering=0) as file:
        for number in itertools.count(_records(path.read_bytes()) + 1):
            os.pwrite(file.fileno(), _record(number), BLOCKS * MIB + (number - 1) * RECORD)
            for block in range(BLOCKS):
                os.pwrite(file.fileno(), _number(number), block * MIB)
            if stop.wait(PAUSE_S):  # the rate is what the scenario is about
                return


def _mixture(data: bytes) -> str:
    """Return what shows that the file was never like this; empty if it may have been."""
    records = _records(data)
    if data[BLOCKS * MIB :] != _log(records)[BLOCKS * MIB :]:
        return "other records than were written"
    numbers = [struct.unpack_from(">Q", data, block * MIB)[0] for block in range(BLOCKS)]
    newer = numbers.count(records)
    # The writer may have been between two blocks.
    if numbers == [records] * newer + [records - 1] * (BLOCKS - newer):
        return ""
    return f"{records} records, but the blocks are of {numbers}"
