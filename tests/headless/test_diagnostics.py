"""A stderr that blocks, is full or is gone costs diagnostics, never the program."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from headless.diagnostics import PatientWriter

TIMEOUT_S = 30.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


@pytest.mark.parametrize("blocking", [True, False])
def test_what_nobody_reads_is_dropped_and_what_is_read_arrives(
    pipe: tuple[int, int], blocking: bool
) -> None:
    reading, writing = pipe
    os.set_blocking(writing, blocking)
    writer = PatientWriter(writing)
    assert writer.write(b"first\n") == 6
    for _ in range(1000):  # waits only once: any more and this would take minutes
        assert writer.write(b"x" * 1000) == 1000
    got = b""
    while len(got) < 1000:
        got += os.read(reading, 1 << 20)
    assert writer.write(b"last\n") == 5
    assert os.read(reading, 1 << 20).endswith(b"last\n")
    assert got.startswith(b"first\nxxx")
    os.close(reading)
    assert writer.write(b"nobody\n") == 7


SCRIPT = """
import os
from headless import diagnostics
diagnostics.install()
print(sorted(map(int, os.listdir("/proc/self/fd")))[:3], flush=True)
raise ValueError("text \\udcff")
"""


def started_without(*descriptors: int) -> subprocess.CompletedProcess[bytes]:
    closing = " ".join(f"{descriptor}>&-" for descriptor in descriptors)
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-c", SCRIPT],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("missing", [(), (0,), (0, 2), (2,)])
def test_missing_descriptors_are_opened_so_that_no_file_takes_their_numbers(
    missing: tuple[int, ...],
) -> None:
    ended = started_without(*missing)
    assert ended.returncode == 1
    assert ended.stdout == b"[0, 1, 2]\n"
    assert (b"ValueError: text \\udcff\n" in ended.stderr) == (2 not in missing)


def test_without_stdout_nothing_is_said_there() -> None:
    ended = started_without(1)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert b"ValueError" in ended.stderr
