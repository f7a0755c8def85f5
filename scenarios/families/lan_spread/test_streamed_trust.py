"""Authenticity and secrecy of streamed bytes: S79, S80, S95, S106."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import zlib

from scenarios.core.backends.base import Placed
from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.content import forged
from scenarios.families.lan_spread.games import made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.rar5 import PackedEntry, read_headers
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.streams import drains, ends_as, is_empty, is_streamed

MIB = 1 << 20
FORGED = 64  # bytes


@scenario(
    "S79",
    name="Relay in the path",
    proves="A relay between client and source forwards a streamed install, which succeeds; once "
    "the relay replaces bytes in the data and keeps their CRC-32, streams and downloads fail and "
    "leave nothing, and the next source is used instead",
)
def relay_in_the_path(lan: Lan) -> None:
    # Before the peers, so that the source behind it is the first in (IP, port) order.
    relay = lan.relay()
    source, spare, before, client = lan.start(
        peer("source", [made_game("bf1942", 3 * MIB, "S79")]),
        peer("spare", [made_game("bf1942", 3 * MIB, "S79")]),
        peer("before"),
        peer("client"),
    )
    through = relay.request("forward", addr=source.addr)["addr"]
    before.connect_through(source, through)
    client.connect_through(source, through)
    entry, content = last_entry(lan, source)

    lan.step("a relay that changes nothing")
    before.stream_install("bf1942").installed()
    has(lan, before, entry, content, "the last entry, through the relay")

    lan.step("a relay that changes what it passes on")
    forge(lan, relay, content)
    stream = client.stream_install("bf1942")
    failed = stream.failed_or_gone()
    count = relay.request("replaced")["count"]
    lan.check.given("the relay has found what it replaces", count == 1)
    is_empty(lan, client, "after the changed stream")
    lan.check.true("the failure has a reason", failed.data.get("reason"))
    stream.close()
    ends_as(lan, stream, failed.name)
    drains(lan, source)
    download = client.download("bf1942", install=False)
    download.failed_or_gone()
    is_empty(lan, client, "after the changed download")
    download.close()

    lan.step("a source that nobody is in front of")
    client.connect(spare)
    stream = client.stream_install("bf1942")
    stream.installed()
    has(lan, client, entry, content, "the last entry, from the next source")
    last = stream.chunks()[-1]
    lan.check.equal("who sent the last entry", last.peer_id, spare.peer_id)
    client.shutdown()
    ends_as(lan, stream, "download-finished", "install-finished")
    lan.evidence(
        f"{FORGED} bytes replaced with the same CRC-32: {failed.name} "
        f"({failed.data.get('code')}), then {stream.told()} from the next source"
    )


@scenario(
    "S80",
    name="Streams and the catalog's digest",
    proves="If the catalog has a game's digest, a streamed install refuses a "
    "source with a different archive of the same version: it fails and leaves nothing; a "
    "matching source is used, and neither archive nor `version.ini` is kept",
)
def streams_and_the_digest(lan: Lan) -> None:
    lying, honest = lan.start(
        peer("lying", [made_game("bf1942", 6 * MIB, "what somebody likes better")]),
        peer("honest", [made_game("bf1942", 6 * MIB, "S80")]),
    )
    catalog = lan.catalog(digest_of=honest.root("bf1942"))
    [client] = lan.start(peer("client", flags=["--catalog-db", catalog]))
    client.connect(lying)
    stream = client.stream_install("bf1942")
    failed = stream.failed_or_gone()
    is_empty(lan, client, "after the lie")
    lan.check.equal("entries that came of the lie", stream.chunks(), [])
    stream.close()

    lan.step("an honest source behind the lying one")
    client.connect(honest)
    stream = client.stream_install("bf1942")
    stream.installed()
    is_streamed(lan, client, "bf1942")
    lan.check.equal("who served", stream.served_by(lan.peers), {"honest"})
    entries = read_headers(honest.root("bf1942") / "bf1942.eti").entries
    sizes = {
        path: entry.size
        for path, entry in tree(client.root("bf1942") / "local").items()
        if entry.kind == "file"
    }
    lan.check.equal("what is installed", sizes, {entry.name: entry.size for entry in entries})
    client.shutdown()
    ends_as(lan, stream, "download-finished", "install-finished")
    lan.evidence(f"{failed.name} ({failed.data.get('code')}); then {stream.told()} from honest")


@scenario(
    "S95",
    name="Encrypted data",
    proves="A relay in the path sees a game's bytes on data connections if neither side has "
    "`--encrypt-data`, and none if client or source has it, in downloads and streams; everything "
    "arrives intact",
)
def encrypted_data(lan: Lan) -> None:
    relay = lan.relay()
    large = made_game("bf1942", 3 * MIB, "S95")
    open_source, sealed_source, curious, careful, plain = lan.start(
        peer("open", [large]),
        peer("sealed", [large], flags=["--encrypt-data"]),
        peer("curious"),
        peer("careful", flags=["--encrypt-data"]),
        peer("plain"),
    )
    by_relay = [relay.request("forward", addr=s.addr)["addr"] for s in (open_source, sealed_source)]
    archive = open_source.root("bf1942") / "bf1942.eti"
    entry = read_headers(archive).entries[-1]
    middle = entry.start + entry.packed // 2
    seen = archive.read_bytes()[middle : middle + 64]
    relay.request("replace", old=seen.hex(), new=seen.hex())

    def times_seen(client: Peer, *, stream: bool = False) -> int:
        before = int(relay.request("replaced")["count"])
        if stream:
            client.stream_install("bf1942").installed()
        else:
            client.download("bf1942", install=False).finished()
        return int(relay.request("replaced")["count"]) - before

    lan.step("downloads")
    plain.connect_through(open_source, by_relay[0])
    lan.check.equal("what the relay sees without any switch", times_seen(plain), 1)
    careful.connect_through(open_source, by_relay[0])
    lan.check.equal("what the relay sees, the client's switch being on", times_seen(careful), 0)
    curious.connect_through(sealed_source, by_relay[1])
    lan.check.equal("what the relay sees, the source's switch being on", times_seen(curious), 0)

    lan.step("a stream")
    careful.remove("bf1942")
    lan.check.equal(
        "what the relay sees of a stream, the client's switch being on",
        times_seen(careful, stream=True),
        0,
    )
    lan.evidence("seen once in clear, and not at all where one side has the switch")


@scenario(
    "S106",
    name="Changed archives and the catalog's digest",
    proves="The catalog has a game's digest, which a source matches; a relay in front of it "
    "replaces bytes of the archive and keeps their CRC-32: with another source beside it the "
    "first is banned, and what is installed comes from the other; alone, the streamed install "
    "fails and leaves nothing",
)
def changed_archives(lan: Lan) -> None:
    # Before the peers, so that the source behind it is the first in (IP, port) order.
    relay = lan.relay()
    source, spare = lan.start(
        peer("source", [made_game("bf1942", 3 * MIB, "S106")]),
        peer("spare", [made_game("bf1942", 3 * MIB, "S106")]),
    )
    flags: list[str | Placed] = ["--catalog-db", lan.catalog(digest_of=source.root("bf1942"))]
    alone, client = lan.start(peer("alone", flags=flags), peer("client", flags=flags))
    through = relay.request("forward", addr=source.addr)["addr"]
    entry, content = last_entry(lan, source)
    forge(lan, relay, content)

    lan.step("another source beside it")
    client.connect_through(source, through)
    client.connect(spare)
    stream = client.stream_install("bf1942")
    stream.installed()
    has(lan, client, entry, content, "the last entry")
    lan.check.equal("who served", stream.served_by(lan.peers), {"spare"})
    banned = [event.data.get("peer_id") for event in stream.events("source-banned")]
    lan.check.equal("who is banned", banned, [source.peer_id])
    client.shutdown()
    ends_as(lan, stream, "download-finished", "install-finished")

    lan.step("without another one")
    alone.connect_through(source, through)
    attempt = alone.stream_install("bf1942")
    failed = attempt.failed_or_gone()
    is_empty(lan, alone, "after the changed stream")
    attempt.close()
    count = relay.request("replaced")["count"]
    lan.check.given("the relay has found what it replaces, each time", count == 2)
    lan.evidence(
        f"{FORGED} bytes replaced with the same CRC-32: {stream.told()} from the other; "
        f"alone {failed.name} ({failed.data.get('code')})"
    )


def last_entry(lan: Lan, source: Peer) -> tuple[PackedEntry, bytes]:
    """Return the last entry of the source's archive, which is stored, and its content."""
    archive = source.root("bf1942") / "bf1942.eti"
    entry = read_headers(archive).entries[-1]
    content = archive.read_bytes()[entry.start : entry.start + entry.packed]
    lan.check.given("the last entry lies in the archive as it is", len(content) == entry.size)
    return entry, content


def has(lan: Lan, client: Peer, entry: PackedEntry, content: bytes, what: str) -> None:
    """Check that a client has the game by a streamed install, and this entry with this content."""
    is_streamed(lan, client, "bf1942")
    installed = client.root("bf1942") / "local" / entry.name
    lan.check.equal(what, installed.read_bytes(), content)


def forge(lan: Lan, relay: Node, content: bytes) -> None:
    """Let the relay replace bytes in the middle of the content by ones of the same CRC-32."""
    old = content[len(content) // 2 :][:FORGED]
    new = forged(old, b"what somebody in the path put in")
    lan.check.given("the other bytes have the same CRC-32", zlib.crc32(old) == zlib.crc32(new))
    relay.request("replace", old=old.hex(), new=new.hex())
