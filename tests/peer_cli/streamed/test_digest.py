"""A streamed install where the catalog has a digest of the game's files."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from peer_cli.catalog import CatalogEntry, write_catalog
from tests.peer_cli.install.rar_bytes import archive, file_block
from tests.peer_cli.streamed.real_peers import GAME, VERSION, Lab, RealPeer, stream

BLOCK = 4 << 20
BIG = bytes(range(256)) * (5 << 12)  # 5 MiB: an archive of more than one block
GOOD = {"a.eti": archive(file_block("a", BIG)), "b.eti": archive(file_block("b", b"2"))}
LYING = {**GOOD, "b.eti": archive(file_block("b", b"3"))}


def digest_of(files: dict[str, bytes]) -> bytes:
    """What the catalog would hold of these files and their version.ini."""
    rows = [
        [
            name,
            len(data),
            [blake3(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)],
        ]
        for name, data in sorted({**files, "version.ini": VERSION.encode()}.items())
    ]
    return blake3(msgspec.msgpack.encode(rows)).digest()


def digest_lab(folder: Path) -> Lab:
    lab = Lab(folder)
    write_catalog(folder / "game.db", [CatalogEntry(GAME, VERSION, None, digest_of(GOOD))])
    return lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = digest_lab(tmp_path)
    yield made
    made.close()


def contents(client: RealPeer) -> dict[str, bytes]:
    """All files of the client's games folder."""
    return {
        str(path.relative_to(client.games)): path.read_bytes()
        for path in client.games.rglob("*")
        if path.is_file()
    }


def test_the_archives_of_the_digest_are_installed_and_not_kept(lab: Lab) -> None:
    client = lab.client(lab.source(GOOD))
    assert stream(client)["event"] == "install-finished"
    assert contents(client) == {f"{GAME}/local/a": BIG, f"{GAME}/local/b": b"2"}
    chunks = client.events("download-chunk-finished")
    assert [chunk["relative_path"] for chunk in chunks] == [
        f"{GAME}/.local.installing/{name}" for name in "ab"
    ]
    assert client.events("download-finished")[0]["throughput"]["bytes"] == len(BIG) + 1


def test_a_source_of_other_archives_installs_nothing(lab: Lab) -> None:
    client = lab.client(lab.source(LYING))
    outcome = stream(client)
    assert (outcome["event"], outcome.get("code")) == ("download-failed", "wrong-content")
    assert list(client.games.iterdir()) == []


def test_the_next_source_is_asked(lab: Lab) -> None:
    sources = [lab.source(LYING), lab.source(LYING), lab.source(GOOD)]
    client = lab.client(*sources)
    assert stream(client)["event"] == "install-finished"
    assert contents(client)[f"{GAME}/local/b"] == b"2"


def test_archives_without_an_unpacker_are_not_kept_either(lab: Lab) -> None:
    client = lab.client(lab.source(GOOD), flags=("--unrar", "/missing/unrar"))
    outcome = stream(client)
    assert (outcome["event"], outcome.get("code")) == ("download-failed", "unpacker-missing")
    assert list(client.games.iterdir()) == []
