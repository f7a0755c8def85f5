"""Captures, by a stand-in for tcpdump, and by the real one where it is and may."""

import os
import socket
import sys
from pathlib import Path

import pytest

from scenarios.core.backends.base import BackendError
from scenarios.core.backends.capture import BYTES_PER_PACKET, start_capture

# Writes its arguments and environment where it should write packets, and an end when asked to.
STAND_IN = f"""#!{sys.executable}
import os, signal, sys
file = sys.argv[sys.argv.index("-w") + 1]
def say(text):
    with open(file, "a") as out:
        print(text, file=out)
def end(*_):
    say("whole")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
say(" ".join(sys.argv[1:]))
say(os.environ["MARK"])
print("tcpdump: verbose output suppressed", file=sys.stderr)
print("listening on lo, link-type EN10MB", file=sys.stderr, flush=True)
while True:
    signal.pause()
"""


def stand_in(folder: Path, text: str) -> None:
    folder.mkdir()
    tool = folder / "tcpdump"
    tool.write_text(text)
    tool.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, and not there yet."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_it_has_begun_when_it_returns_and_is_whole_when_it_stops(
    tmp_path: Path, path: Path
) -> None:
    stand_in(path, STAND_IN)
    file = tmp_path / "alpha.pcap"
    capture = start_capture("lo", "127.5.0.2", file, {"MARK": "of the run"})
    asked, mark = file.read_text().splitlines()
    assert asked.startswith("-i lo ")
    assert f"-s {BYTES_PER_PACKET} " in asked
    assert asked.endswith(f"-w {file} host 127.5.0.2")
    assert mark == "of the run"
    capture.stop()
    capture.stop()
    assert file.read_text().splitlines()[2:] == ["whole"]


def test_whole_packets(tmp_path: Path, path: Path) -> None:
    stand_in(path, STAND_IN)
    file = tmp_path / "alpha.pcap"
    start_capture("lo", "127.5.0.2", file, {"MARK": "of the run"}, whole=True).stop()
    assert " -s 0 " in file.read_text()


def test_no_tcpdump(tmp_path: Path, path: Path) -> None:
    with pytest.raises(BackendError, match="apt install tcpdump"):
        start_capture("lo", "127.5.0.2", tmp_path / "x.pcap", {})


def test_a_tcpdump_that_may_not(tmp_path: Path, path: Path) -> None:
    stand_in(path, f"#!{sys.executable}\nimport sys\nsys.exit('lo: You may not')\n")
    with pytest.raises(BackendError, match="cannot capture on lo: lo: You may not"):
        start_capture("lo", "127.5.0.2", tmp_path / "x.pcap", {})


def test_packets_of_one_address_and_no_other(tmp_path: Path) -> None:
    # A pipe, to wait for the packet: what tcpdump has not read yet when it is stopped is lost.
    file = tmp_path / "real.pcap"
    os.mkfifo(file)
    pipe = os.open(file, os.O_RDWR)
    try:
        capture = start_capture("lo", "127.5.0.2", file, {})
    except BackendError as error:
        pytest.skip(str(error))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for address in ("127.5.0.3", "127.5.0.2"):
            sender.sendto(b"hello", (address, 9))
    packets = b""
    while bytes([127, 5, 0, 2]) not in packets:
        packets += os.read(pipe, 65536)
    capture.stop()
    os.close(pipe)
    assert bytes([127, 5, 0, 3]) not in packets
