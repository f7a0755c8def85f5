"""Streamed installs that fail: S42, S44 to S46."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import ipaddress

from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.games import File, catalog_version, game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, local_row
from scenarios.families.lan_spread.rar5 import read_headers
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.streams import (
    STAGING,
    arrived_in_order,
    drains,
    ends_as,
    is_empty,
    is_streamed,
    outbound,
    spoil,
)

MIB = 1 << 20
# alienswarm's first entry has 1 MiB, the second 47 MiB: at this rate the first arrives soon, and
# the second takes 6 more seconds.
SLOW = "8MiB"


@scenario(
    "S42",
    name="Next source after a broken one",
    proves="Of three sources the first in (IP, port) order cannot extract, since its `--unrar` is "
    "missing: it delivers no chunk, the stream finishes from the second, staging is gone; "
    "the broken one still serves downloads",
)
def next_source_after_a_broken_one(lan: Lan) -> None:
    sources = broken, good, spare = lan.start(
        peer("broken", "fixture-bravo", flags=["--unrar", "/missing/unrar"]),
        peer("good", "fixture-bravo"),
        peer("spare", "fixture-bravo"),
    )
    lan.check.given("the sources are in (IP, port) order", sorted(sources, key=place) == sources)
    [client] = lan.start(peer("client"))
    # In another order, to show that the order of connecting does not matter.
    client.connect(spare, good, broken)
    stream = client.stream_install("cnctw")
    stream.installed()
    is_streamed(lan, client, "cnctw")
    lan.check.equal("who served", stream.served_by(lan.peers), {"good"})
    arrived_in_order(lan, stream, [good.root("cnctw") / "cnctw.eti"])
    lan.installed_as("cnctw", client, "fixture-bravo")
    for one in sources:
        drains(lan, one)

    lan.step("the broken source alone")
    [other] = lan.start(peer("other"))
    other.connect(broken)
    failing = other.stream_install("cnctw")
    failed = failing.failed_or_gone()
    is_empty(lan, other, "after the failure")
    download = other.download("bfbc2", install=False)
    download.finished()
    lan.check.equal("who served bfbc2", download.served_by(lan.peers), {"broken"})
    lan.check.equal("the games of other", other.local(), [local_row(other.root("bfbc2"))])
    client.shutdown()
    ends_as(lan, stream, "download-finished", "install-finished")
    lan.evidence(
        f"{stream.told()} from good, nothing from broken; alone it gives {failed.name} "
        f"({failed.data.get('code')}), and bfbc2 as a download"
    )


@scenario(
    "S44",
    name="Corrupt archive",
    proves="A file that is no archive, and archives whose last entry has a bad CRC, stored or "
    "compressed: `download-failed`, nothing is left, the same command is accepted again, and with "
    "a good source after the corrupt one the stream starts over",
)
def corrupt_archive(lan: Lan) -> None:
    source, client = lan.start(
        peer(
            "source",
            [
                game("cod5", "fixture-charlie"),
                File("cnctw/cnctw.eti", b"no archive at all\n" * 10_000),
                File("cnctw/version.ini", catalog_version("cnctw").encode()),
                game("css", "fixture-launch"),
                game("bfbc2", "fixture-bravo"),
            ],
        ),
        peer("client"),
    )
    good_entries = {"cnctw": 0}
    for game_id in ("css", "bfbc2"):
        archive = source.root(game_id) / f"{game_id}.eti"
        *_, last = entries = read_headers(archive).entries
        spoil(archive, last, last.packed // 2, 1)
        good_entries[game_id] = len(entries) - 1
    client.connect(source)
    told = []
    for game_id, before in good_entries.items():
        lan.check.contains(f"{game_id} is offered", [row["id"] for row in client.remote()], game_id)
        for attempt in ("first", "second"):
            stream = client.stream_install(game_id)
            failed = stream.failed()
            is_empty(lan, client, f"after the {attempt} stream of {game_id}")
            lan.check.true(f"{game_id}: the failure has a code", failed.data.get("code"))
            lan.check.true(f"{game_id}: the failure has a reason", failed.data.get("reason"))
            drains(lan, source)
            chunks = len(stream.chunks())
            lan.check.equal(f"{game_id}: entries before the bad one", chunks, before)
            stream.close()
            ends_as(lan, stream, "download-failed")
        told.append(f"{game_id}: {failed.data.get('code')} after {before} good entries")

    lan.step("a good archive of the same source")
    client.stream_install("cod5").installed()
    is_streamed(lan, client, "cod5")
    lan.installed_as("cod5", client, "fixture-charlie")

    lan.step("a good source behind the corrupt one")
    [second] = lan.start(peer("second", "fixture-launch"))
    lan.check.given("the corrupt one comes first", place(source) < place(second))
    client.connect(second)
    stream = client.stream_install("css")
    stream.installed()
    is_streamed(lan, client, "cod5", "css")
    lan.installed_as("css", client, "fixture-launch")
    origins = [chunk.peer_id for chunk in stream.chunks()]
    bad, good = [source.peer_id] * good_entries["css"], [second.peer_id] * 3
    lan.check.equal("who sent each entry of css", origins, bad + good)
    lan.evidence(
        "; ".join(told) + "; nothing left; cod5 of the same source is installed, and css from the "
        "second one, after 2 entries from the first were thrown away"
    )


@scenario(
    "S45",
    name="Sender lost mid-stream",
    proves="The sender of a rate-limited stream of alienswarm is killed after the first entry: "
    "failed or peers-gone, never finished; nothing is left",
)
def sender_lost_mid_stream(lan: Lan) -> None:
    alpha, client = lan.start(peer("alpha", "fixture-alpha", upload_limit=SLOW), peer("client"))
    client.connect(alpha)
    stream = client.stream_install("alienswarm")
    killed = lan.faults.when(
        stream.window,
        "download-chunk-finished",
        game_id="alienswarm",
        do=alpha.node.kill,
        what="kill alpha after the first entry",
    )
    first = killed.carried_out()
    lan.check.equal(
        "the entry after which alpha was killed",
        (first.data.get("relative_path"), first.data.get("length")),
        ("alienswarm/.local.installing/manual.pdf", MIB),
    )
    failed = stream.failed_or_gone()
    is_empty(lan, client, "after the loss")
    client.everything().wait_event("peer-disconnected", peer_id=alpha.peer_id)
    client.refuses("stream-install", "no peers have game alienswarm", game_id="alienswarm")
    client.shutdown()
    lan.check.equal("entries that came", len(stream.chunks()), 1)
    ends_as(lan, stream, failed.name)
    lan.check.equal("the client's folder, at the end", sorted(tree(client.games)), [])
    lan.evidence(
        f"killed after 1 of 120 MiB; {failed.name} {failed.at - first.at:.3f} s later, nothing left"
    )


@scenario(
    "S46",
    name="Receiver cancels mid-stream",
    proves="A rate-limited stream of alienswarm is cancelled after the first entry: it is rolled "
    "back before the reply; `download-cancelled`, neither failed nor finished; the sender's "
    "count drops to none; the same command then succeeds",
)
def receiver_cancels_mid_stream(lan: Lan) -> None:
    alpha, client = lan.start(peer("alpha", "fixture-alpha", upload_limit=SLOW), peer("client"))
    client.connect(alpha)
    stream = client.stream_install("alienswarm")
    first = stream.window.wait_event(
        "download-chunk-finished", game_id="alienswarm", length=MIB, what="the first entry"
    )
    lan.check.equal("what alpha sends before", outbound(alpha), {"alienswarm": 1})
    staged = f"alienswarm/{STAGING}/manual.pdf"
    lan.check.contains("the first entry is staged", tree(client.games), staged)
    client.node.request("cancel-download", game_id="alienswarm")
    is_empty(lan, client, "when the reply has come")
    cancelled = stream.cancelled()
    is_empty(lan, client, "after the cancel")
    drained = drains(lan, alpha)
    lan.check.equal("entries that came", len(stream.chunks()), 1)
    stream.close()
    ends_as(lan, stream, "download-cancelled")

    lan.step("the same command again")
    alpha.node.request("set-limits", upload=None, download=None)
    again = client.stream_install("alienswarm")
    again.installed()
    is_streamed(lan, client, "alienswarm")
    lan.installed_as("alienswarm", client, "fixture-alpha")
    arrived_in_order(lan, again, [alpha.root("alienswarm") / "alienswarm.eti"])
    drains(lan, alpha)
    client.shutdown()
    ends_as(lan, again, "download-finished", "install-finished")
    lan.evidence(
        f"cancelled {cancelled.at - first.at:.3f} s after 1 of 120 MiB, the sender's count back to "
        f"none {drained:.3f} s later; then {again.told()}"
    )


def place(source: Peer) -> tuple[ipaddress.IPv4Address, int]:
    """Return the key that orders sources."""
    ip, _, port = source.addr.rpartition(":")
    return ipaddress.IPv4Address(ip), int(port)
