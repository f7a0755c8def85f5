"""Streamed installs between two real peers: what arrives, and what is refused with a reason."""

import ipaddress
import shutil
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peer_cli.install.rar_bytes import (
    FILE_COPY,
    HARD_LINK,
    SIGNATURE,
    archive,
    block,
    directory_block,
    end_block,
    file_block,
    main_block,
    padded,
    patch_headers,
    redirection,
    umask,
    unix_time,
    version,
    vint,
)
from tests.peer_cli.streamed.real_peers import GAME, HelperPeak, Lab, RealPeer, peak_kib, stream

SAMPLES = Path(__file__).parents[1] / "install/data"
SOLID = (SAMPLES / "solid.rar").read_bytes()
GOOD = archive(file_block("a", b"12345"), file_block("b", b"x" * 1000))
UNRAR = shutil.which("unrar")
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Pair:
    folder: Path
    source: RealPeer
    client: RealPeer
    lifted: list[int]

    def put(self, content: bytes) -> None:
        """Give the source another archive; one that was banned is asked again after that."""
        since = self.client.mark()
        (self.source.games / GAME / "game.eti").write_bytes(content)
        bans = len(self.client.events("source-banned"))
        if bans > self.lifted[-1]:
            self.client.wait("remote-library-changed", since=since)
            self.lifted.append(bans)


def installed(client: RealPeer) -> dict[str, bytes | None]:
    """Return what is installed, files with their content and folders with None."""
    local = client.games / GAME / "local"
    return {
        str(path.relative_to(local)): path.read_bytes() if path.is_file() else None
        for path in local.rglob("*")
    }


def nothing_is_left(client: RealPeer) -> bool:
    return (
        list(client.games.iterdir()) == []
        and client.ask("list-games")["local"] == []
        and client.ask("status")["active_operations"] == []
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A source and a client that live through all refusals of this module."""
    folder = tmp_path_factory.mktemp("pair")
    lab = Lab(folder)
    source = lab.source({"game.eti": GOOD})
    yield Pair(folder, source, lab.client(source), [0])
    lab.close()


def refusal(pair: Pair, content: bytes | Path) -> tuple[str, str]:
    """Stream an archive that must be refused; return the code and the reason."""
    before = set(pair.folder.rglob("*"))
    since = pair.client.mark()
    data = content if isinstance(content, bytes) else content.read_bytes()
    pair.put(data)
    outcome = stream(pair.client)
    assert outcome["event"] == "download-failed"
    assert nothing_is_left(pair.client)
    assert pair.client.events("download-finished", since) == []
    assert set(pair.folder.rglob("*")) == before  # nor anywhere else
    return str(outcome["code"]), str(outcome["reason"])


def test_twenty_thousand_small_entries(lab: Lab) -> None:
    count = 20_000
    names = [f"d{number % 100}/{number}.txt" for number in range(count)]
    content = archive(*(file_block(name, name.encode()) for name in names))
    source = lab.source({"game.eti": content})
    client = lab.client(source)
    with HelperPeak(source) as helper:
        assert stream(client)["event"] == "install-finished"
    peaks = (peak_kib(client.pid), peak_kib(source.pid) + helper.kib)
    print(f"peaks in KiB: client {peaks[0]}, source with helper {peaks[1]}")
    assert max(peaks) < 64 << 10
    got = {name: data for name, data in installed(client).items() if data is not None}
    assert got == {name: name.encode() for name in names}
    chunks = client.events("download-chunk-finished")
    assert [chunk["relative_path"] for chunk in chunks] == [
        f"{GAME}/.local.installing/{name}" for name in names
    ]
    [finished] = client.events("download-finished")
    assert finished["throughput"]["chunks"] == count
    assert finished["throughput"]["bytes"] == sum(len(name) for name in names)


def test_empty_files_and_folders_names_in_any_script_and_a_folder_at_the_end(lab: Lab) -> None:
    content = archive(
        file_block("none"),
        file_block("深い/ünï ☃.txt", b"deep"),
        file_block("🎮/ " + "n" * 200, b""),
        directory_block("深い"),
        directory_block("empty/below"),
        file_block("after", b"x"),
        directory_block("last"),
    )
    client = lab.client(lab.source({"game.eti": content}))
    assert stream(client)["event"] == "install-finished"
    assert installed(client) == {
        "none": b"",
        "深い": None,
        "深い/ünï ☃.txt": b"deep",
        "🎮": None,
        "🎮/ " + "n" * 200: b"",
        "empty": None,
        "empty/below": None,
        "after": b"x",
        "last": None,
    }
    chunks = client.events("download-chunk-finished")
    assert [chunk["length"] for chunk in chunks] == [0, 4, 0, 1]


def test_only_folders(lab: Lab) -> None:
    client = lab.client(lab.source({"game.eti": archive(directory_block("only"))}))
    assert stream(client)["event"] == "install-finished"
    assert installed(client) == {"only": None}
    assert client.events("download-chunk-finished") == []


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        pytest.param(b"no archive " * 100, "not-an-archive", "not a RAR archive", id="text"),
        pytest.param(b"", "not-an-archive", "not a RAR archive", id="empty"),
        pytest.param(GOOD[:-700], "archive-truncated", "middle of an entry", id="truncated"),
        pytest.param(SOLID[:-900], "archive-truncated", "middle of an entry", id="truncated-solid"),
        pytest.param(
            archive(file_block("a", b"12345"), end=False),
            "archive-end-missing",
            "stops after 1 entries without its end mark",
            id="cut-between-entries",
        ),
        pytest.param(
            SAMPLES / "encrypted-files.rar", "archive-encrypted", "encrypted", id="encrypted"
        ),
        pytest.param(
            SAMPLES / "encrypted-headers.rar", "archive-encrypted", "names", id="encrypted-names"
        ),
        pytest.param(
            SAMPLES / "first-volume.rar", "archive-multi-volume", "several volumes", id="volume"
        ),
    ],
)
def test_unusable_archives_are_refused_by_what_they_are(
    pair: Pair, content: bytes | Path, code: str, says: str
) -> None:
    got_code, reason = refusal(pair, content)
    assert got_code == code
    assert "game.eti" in reason
    assert says in reason


@pytest.mark.parametrize(
    ("content", "codes", "says"),
    [
        pytest.param(
            patch_headers(SOLID, padded(13_893), padded(1)), {"size-mismatch"}, "more", id="more"
        ),
        pytest.param(
            patch_headers(SOLID, padded(13_893), padded(16_000)),
            {"size-mismatch", "archive-corrupt"},
            "numbers.txt",
            id="fewer",
        ),
        pytest.param(
            archive(file_block("a", b"12345", size=4)),
            {"size-mismatch"},
            "promises",
            id="stored-more",
        ),
        pytest.param(
            archive(file_block("a", b"12345", size=5_000_000)),
            {"size-mismatch"},
            "promises",
            id="stored-fewer",
        ),
        pytest.param(archive(file_block("a/../../up", b"x")), {"unsafe-name"}, "..", id="dot-dot"),
        pytest.param(archive(file_block("/abs", b"x")), {"unsafe-name"}, "abs", id="absolute"),
        pytest.param(archive(file_block("c:/x", b"x")), {"unsafe-name"}, "c:", id="drive"),
        pytest.param(archive(directory_block("../up")), {"unsafe-name"}, "..", id="folder"),
        pytest.param(
            archive(file_block("link", extra=redirection(1, "/etc"))),
            {"entry-is-link"},
            "link",
            id="link",
        ),
        pytest.param(
            archive(file_block("link", extra=redirection(4, "../../x"))),
            {"entry-is-link"},
            "../../x",
            id="hard-link",
        ),
        pytest.param(
            archive(file_block("twice", b"1"), file_block("twice", b"2")),
            {"duplicate-name"},
            "twice",
            id="duplicate",
        ),
        pytest.param(
            archive(file_block("a", b"1"), file_block("a/b", b"2")),
            {"duplicate-name"},
            "a/b",
            id="file-as-folder",
        ),
        pytest.param(
            archive(file_block("good", b"1"), file_block("bad", b"2", crc32=1)),
            {"crc-mismatch"},
            "bad",
            id="crc",
        ),
    ],
)
def test_lying_and_hostile_archives_are_refused(
    pair: Pair, content: bytes, codes: set[str], says: str
) -> None:
    code, reason = refusal(pair, content)
    assert code in codes
    assert says in reason


def test_a_later_archive_replaces_what_an_earlier_one_has_brought(lab: Lab) -> None:
    patch = archive(file_block("a", b"patched"), file_block("c", b"new"))
    client = lab.client(lab.source({"a.eti": GOOD, "b.eti": patch}))
    assert stream(client)["event"] == "install-finished"
    assert installed(client) == {"a": b"patched", "b": b"x" * 1000, "c": b"new"}


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param((), id="library"),
        pytest.param(
            ("--unrar", str(UNRAR)),
            id="tool",
            marks=pytest.mark.skipif(UNRAR is None, reason="no unrar program on this machine"),
        ),
    ],
)
def test_copies_versions_times_and_executable_bits_cross_the_network(
    lab: Lab, flags: tuple[str, ...]
) -> None:
    content = archive(
        file_block("old", b"first", extra=version(1)),
        file_block("old", b"newest", mode=0o106755, extra=unix_time(1_600_000_000, 123_456_789)),
        file_block("copy", size=6, extra=redirection(FILE_COPY, "old")),
        file_block("hard", extra=redirection(HARD_LINK, "old")),
    )
    client = lab.client(lab.source({"game.eti": content}, *flags))
    assert stream(client)["event"] == "install-finished"
    assert installed(client) == {"old": b"newest", "copy": b"newest", "hard": b"newest"}
    status = (client.games / GAME / "local/old").stat()
    assert stat.S_IMODE(status.st_mode) == 0o777 & ~umask()
    assert status.st_mtime_ns == 1_600_000_000_123_456_789
    figures = client.events("download-finished")[0]["throughput"]
    assert (figures["bytes"], figures["chunks"]) == (18, 3)


def test_a_dictionary_over_the_limit_is_refused_before_its_memory_is_taken(lab: Lab) -> None:
    two_gib = 14  # 128 KiB shifted by so much
    header = (
        vint(0x04)
        + vint(2 * GIB)
        + vint(0o100644)
        + struct.pack("<I", 0)
        + vint(two_gib << 10 | 3 << 7)
        + vint(1)
        + vint(1)
        + b"a"
    )
    content = SIGNATURE + main_block() + block(2, header, data=bytes(1000)) + end_block()
    source = lab.source({"game.eti": content})
    client = lab.client(source)
    with HelperPeak(source) as helper:
        outcome = stream(client)
    assert outcome["event"] == "download-failed"
    assert outcome["code"] == "dictionary-too-large"
    assert "2048 MiB" in outcome["reason"]
    assert nothing_is_left(client)
    assert helper.seen
    assert helper.kib < 64 << 10


def test_after_all_that_the_same_two_peers_do_it_right(pair: Pair) -> None:
    refusal(pair, GOOD[:-700])
    pair.put(GOOD)
    assert stream(pair.client)["event"] == "install-finished"
    assert installed(pair.client) == {"a": b"12345", "b": b"x" * 1000}
    pair.client.ask("uninstall", game_id=GAME)
    pair.client.wait("uninstall-finished")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD[:-700], id="noticed by the source"),
        pytest.param(
            archive(file_block("a", b"12345"), file_block("b", b"x", crc32=1)), id="bad checksum"
        ),
        pytest.param(archive(file_block("a", b"1"), file_block("../b", b"x")), id="unsafe name"),
        pytest.param(archive(file_block("a", b"1"), file_block("a", b"x")), id="duplicate"),
    ],
)
def test_a_corrupt_source_costs_its_attempt_and_the_next_one_is_asked(lab: Lab, bad: bytes) -> None:
    sources = [lab.source({"game.eti": GOOD}), lab.source({"game.eti": GOOD})]
    first, second = sorted(sources, key=place)
    (first.games / GAME / "game.eti").write_bytes(bad)
    client = lab.client(*sources)
    assert stream(client)["event"] == "install-finished"
    assert installed(client) == {"a": b"12345", "b": b"x" * 1000}
    assert client.events("download-begin")[-1]["sources"][0]["addr"] == second.addr


def place(peer: RealPeer) -> tuple[ipaddress.IPv4Address, int]:
    ip, _, port = peer.addr.rpartition(":")
    return ipaddress.IPv4Address(ip), int(port)


@pytest.mark.parametrize("size", [1, 5000])
def test_many_small_stored_files_are_no_trickle(lab: Lab, size: int) -> None:
    names = [f"{number}" for number in range(6000)]
    content = archive(*(file_block(name, bytes(size)) for name in names))
    client = lab.client(lab.source({"game.eti": content}))
    assert stream(client)["event"] == "install-finished"
    assert set(installed(client)) == set(names)
