"""What a streamed install takes of memory and of the source's disk, however large the archive."""

import os
import struct
import zlib
from pathlib import Path

import pytest

from scenarios.families.lan_spread import fixtures
from scenarios.family.launcher import wait_for_rest
from tests.peer_cli.install.rar_bytes import SIGNATURE, end_block, main_block, vint
from tests.peer_cli.streamed.real_peers import GAME, HelperPeak, Lab, bytes_read, peak_kib, stream

MIB, GIB = 1 << 20, 1 << 30
FLAT_KIB = 64 << 10
# What may be under way between the archive and the receiver's disk: the helper's pipe (1 MiB), what
# it reads at once (4 MiB), both sockets' buffers (6 MiB each, at most), the receiver's own (3 MiB).
UNDER_WAY = 20 * MIB
# A Python that starts reads its modules; so much is no archive.
START_UP = 8 * MIB


def make_sparse(path: Path, size: int, *, with_crc: bool) -> None:
    """Write an archive with one stored entry of zeros, most of it a hole.

    Without a checksum in its header an entry goes through the UnRAR library and not by splice.
    """
    crc = 0
    if with_crc:
        zeros = bytes(16 * MIB)
        for _ in range(size // len(zeros)):
            crc = zlib.crc32(zeros, crc)
    fields = (
        vint(0x04 if with_crc else 0)
        + vint(size)
        + vint(0o100644)
        + (struct.pack("<I", crc) if with_crc else b"")
        + vint(0)
        + vint(1)
        + vint(8)
        + b"zero.bin"
    )
    # `block` writes the size of the data that it is given; here it only has to be said.
    header = vint(2) + vint(2) + vint(size) + fields
    header = vint(len(header)) + header
    with path.open("wb") as file:
        file.write(SIGNATURE + main_block())
        file.write(struct.pack("<I", zlib.crc32(header)) + header)
        file.seek(size, os.SEEK_CUR)
        file.write(end_block())


def check_memory(lab: Lab, archive: Path, size: int, timeout: float) -> dict[str, int]:
    """Stream the archive; check that memory stays flat on either side; return the peaks in KiB."""
    source = lab.source({"game.eti": archive})
    client = lab.client(source)
    idle = {"source": peak_kib(source.pid), "client": peak_kib(client.pid)}
    with HelperPeak(source) as helper:
        assert stream(client, timeout)["event"] == "install-finished"
    peaks = {"source": peak_kib(source.pid), "client": peak_kib(client.pid), "helper": helper.kib}
    print(f"peaks in KiB: idle {idle}, streamed {peaks}")
    assert helper.seen
    assert (client.games / GAME / "local/zero.bin").stat().st_size == size
    assert peaks["client"] < FLAT_KIB
    assert peaks["source"] + peaks["helper"] < FLAT_KIB
    return peaks


@pytest.mark.parametrize("with_crc", [True, False], ids=["spliced", "by the library"])
def test_memory_is_flat(lab: Lab, tmp_path: Path, with_crc: bool) -> None:
    size = 256 * MIB
    make_sparse(tmp_path / "sparse.rar", size, with_crc=with_crc)
    check_memory(lab, tmp_path / "sparse.rar", size, timeout=30)


@pytest.mark.skipif("STREAM_5_GIB" not in os.environ, reason="writes 5 GiB; set STREAM_5_GIB=1")
@pytest.mark.timeout(300)
def test_an_entry_of_five_gib(lab: Lab, tmp_path: Path) -> None:
    size = 5 * GIB
    make_sparse(tmp_path / "sparse.rar", size, with_crc=True)
    assert (tmp_path / "sparse.rar").stat().st_blocks < 1000
    check_memory(lab, tmp_path / "sparse.rar", size, timeout=200)


@pytest.mark.parametrize("slow", ["client", "source"])
def test_a_slow_receiver_slows_the_unpacking(lab: Lab, tmp_path: Path, slow: str) -> None:
    size = 128 * MIB
    make_sparse(tmp_path / "sparse.rar", size, with_crc=False)
    limits = {"client": "--download-limit", "source": "--upload-limit"}
    source = lab.source(
        {"game.eti": tmp_path / "sparse.rar"},
        *((limits[slow], "8MiB") if slow == "source" else ()),
    )
    flags = (limits[slow], "8MiB") if slow == "client" else ()
    client = lab.client(source, flags=flags)
    client.ask("stream-install", game_id=GAME)
    for received in (4 * MIB, 12 * MIB):
        taken = 0
        since = client.mark()
        while taken < received:
            progress = client.wait("download-progress", since=since)
            since = client.mark()
            taken = int(progress["downloaded_bytes"])
        [helper] = source.children()
        read = bytes_read(helper)
        now = int(client.events("download-progress")[-1]["downloaded_bytes"])
        print(f"{slow}: taken {taken >> 20} MiB, read {read >> 20} MiB")
        # Between the event and the look the receiver takes a little more.
        assert taken < read < now + UNDER_WAY + START_UP
    client.ask("cancel-download", game_id=GAME)
    assert list(client.games.iterdir()) == []


def test_a_solid_archive_is_read_once(lab: Lab) -> None:
    """Compare with the same start of a helper on next to nothing."""
    solid = fixtures.games_dir("fixture-solid") / "cnctw/cnctw.eti"
    tiny = fixtures.games_dir("fixture-multi") / "cnctw/z-second.eti"
    read = []
    for archive in (tiny, tiny, solid):
        source = lab.source({"game.eti": archive.read_bytes()})
        client = lab.client(source)
        wait_for_rest(source.process)  # it still reads its modules
        before = bytes_read(source.pid)
        assert stream(client)["event"] == "install-finished"
        # The helper's reading counts as the peer's, which has waited for it.
        assert source.ask("status")["active_outbound_transfers"] == {}
        # What the helper has unpacked is read once more, from its pipe.
        got = client.events("download-finished")[0]["throughput"]["bytes"]
        read.append(bytes_read(source.pid) - before - got)
    size = solid.stat().st_size
    print(read, size)
    assert 0.9 * size < read[2] - read[1] < 1.5 * size
