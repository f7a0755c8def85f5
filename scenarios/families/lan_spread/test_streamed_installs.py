"""Streamed installs, from another peer's archives: S39 to S41, S43, S47."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.always import stamps, unchanged
from scenarios.families.lan_spread.games import File, catalog_version, game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import local_row, remote_row, streamed_row
from scenarios.families.lan_spread.rar5 import read_headers
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.streams import (
    arrived_in_order,
    bytes_read,
    drains,
    ends_as,
    is_streamed,
    outbound,
    spoil,
)

KIB, MIB = 1 << 10, 1 << 20
# Archives packed in different ways, in the alphabetical order of their names in the root.
MANY = (
    ("fixture-charlie", "cod5"),
    ("fixture-bravo", "bfbc2"),
    ("fixture-charlie", "coh"),
    ("fixture-alpha", "ggoo"),
    ("fixture-charlie", "cod6"),
    ("fixture-alpha", "bf1942"),
    ("fixture-bravo", "cnc4"),
    ("fixture-launch", "css"),
)


@scenario(
    "S39",
    name="Streamed install",
    proves="cnctw streamed from bravo is `LocalOnly`, without archive or `version.ini`; the "
    "installed files have the hashes of the archive's entries; each came as one chunk, exactly 3 "
    "MiB in total; bravo counts the stream while it runs and not afterwards",
)
def streamed_install(lan: Lan) -> None:
    # The limit makes the stream last long enough to observe it.
    bravo, client = lan.start(peer("bravo", "fixture-bravo", upload_limit="8MiB"), peer("client"))
    client.connect(bravo)
    lan.check.equal("what bravo sends before the stream", outbound(bravo), {})
    stream = client.stream_install("cnctw")
    begin = stream.begun()
    lan.check.equal("what bravo sends during the stream", outbound(bravo), {"cnctw": 1})
    lan.check.equal(
        "operations of the client during the stream",
        client.operations(),
        [{"game_id": "cnctw", "operation": "StreamInstalling"}],
    )
    stream.installed()
    # Immediately: when the receiver has the last byte, the sender has finished.
    lan.check.equal("what bravo sends after the stream", outbound(bravo), {})
    is_streamed(lan, client, "cnctw")

    lan.installed_as("cnctw", client, "fixture-bravo")
    arrived_in_order(lan, stream, [bravo.root("cnctw") / "cnctw.eti"])
    lan.check.equal("who served", stream.served_by(lan.peers), {"bravo"})
    lan.check.equal(
        "sources of download-begin",
        begin.data.get("sources"),
        [{"peer_id": bravo.peer_id, "addr": bravo.addr}],
    )
    lan.check.equal("bytes of the chunks", sum(chunk.length for chunk in stream.chunks()), 3 * MIB)
    lan.check.equal("bytes in throughput", stream.figures().get("bytes"), 3 * MIB)
    client.shutdown()
    ends_as(lan, stream, "download-finished", "install-finished")
    lan.evidence(f"{stream.told()}; bravo counted it until it was finished")


@scenario(
    "S40",
    name="Streamed receiver is no source",
    proves="Peers connected to the receiver of a stream, before or after it, see the game "
    "advertised as `LocalOnly`; it is not offered, and a download of it is refused and leaves "
    "nothing",
)
def streamed_receiver_is_no_source(lan: Lan) -> None:
    # The receiver's other game shows that it can be a source.
    bravo, receiver, observer, late = lan.start(
        peer("bravo", "fixture-bravo"),
        peer("receiver", [game("cod5", "fixture-charlie")]),
        peer("observer"),
        peer("late"),
    )
    observer.connect(receiver)
    window = observer.window()
    receiver.connect(bravo)
    receiver.stream_install("cnctw").installed()
    window.wait_event("remote-library-changed", peer_id=receiver.peer_id, game_count=2)
    late.connect(receiver)
    own = [streamed_row("cnctw"), local_row(receiver.root("cod5"))]
    for one in (observer, late):
        raw = one.advertised_by(receiver)
        versions = [row.pop("eti_version") for row in raw]
        lan.check.equal(
            f"what the receiver advertises, as {one} sees it",
            raw,
            [{key: row[key] for key in row if key != "version"} for row in own],
        )
        lan.check.equal(f"version of cod5 as {one} sees it", versions[1], catalog_version("cod5"))
        offered = [remote_row(receiver.root("cod5"), sources=1)]
        lan.check.equal(f"what is offered to {one}", one.remote(), offered)
        for command in ("download", "stream-install"):
            one.refuses(command, "no peers have game cnctw", game_id="cnctw")
        lan.check.equal(f"the folder of {one}", sorted(tree(one.games)), [])
        # The receiver does serve its other game.
        download = one.download("cod5", install=False)
        download.finished()
        lan.check.equal(f"who served cod5 to {one}", download.served_by(lan.peers), {"receiver"})
    session = lan.raw_client().dial(receiver)
    lan.check.equal("a manifest of it is denied", session.manifest_code("cnctw"), "not-downloaded")
    lan.check.equal("a manifest of cod5 is given", session.manifest_code("cod5"), "")
    lan.evidence("raw LocalOnly and not offered to 2 observers; 4 commands refused, cod5 delivered")


@scenario(
    "S41",
    name="Solid archive",
    proves="An archive that the reference UnRAR calls solid is streamed with the right hashes and "
    "byte count, and in one pass: the sender reads as many bytes as the archive has, and does not "
    "need its beginning, which is destroyed as soon as it has been read",
)
def solid_archive(lan: Lan) -> None:
    # At this rate the first entry of the solid archive takes 4 seconds.
    sender, client = lan.start(
        peer(
            "sender",
            [game("cnctw", "fixture-solid"), game("css", "fixture-launch")],
            upload_limit="512KiB",
            launched=True,
        ),
        peer("client"),
    )
    archive = sender.root("cnctw") / "cnctw.eti"
    size = archive.stat().st_size
    headers = read_headers(archive)
    first, second = headers.entries
    unrar = lan.reference_unrar(archive)
    verdict = unrar.request("examine")
    lan.check.given("the reference UnRAR says that the archive is solid", verdict["solid"])
    lan.check.given("the reference UnRAR finds it clean", verdict["clean"])
    lan.check.given("the archive's own header says that it is solid", headers.solid)
    lan.check.given("its second entry needs the first", second.needs_those_before)
    client.connect(sender)

    lan.step("next to nothing, for what a sender reads besides the archive")
    # A first stream, so that later figures exclude what is read only once, such as modules.
    client.stream_install("css").installed()
    drains(lan, sender)
    client.uninstall("css")
    at_first = bytes_read(sender)
    client.stream_install("css").installed()
    drains(lan, sender)
    before = bytes_read(sender)

    lan.step("the solid archive")
    stream = client.stream_install("cnctw")
    # The first 64 KiB are incompressible, so unpacking them means having read that much. The rest
    # of the first entry exceeds the pipes' buffers, so nothing has reached the second entry yet.
    spoiled = lan.faults.when(
        stream.window,
        "download-progress",
        game_id="cnctw",
        where=lambda event: event.data["downloaded_bytes"] >= 64 * KIB,
        do=lambda: spoil(archive, first, 0, 32 * KIB),
        what="destroy the part of the archive that has been read",
    )
    received = spoiled.carried_out().data["downloaded_bytes"]
    lan.check.between("bytes received when it was destroyed", received, 64 * KIB, first.size // 3)
    sender.node.request("set-limits", upload=None, download=None)
    stream.installed()
    drains(lan, sender)
    after = bytes_read(sender)
    told = "what it read is not told by this system"
    if at_first is not None and before is not None and after is not None:
        read = (after - before) - (before - at_first)
        # A sender that unpacks in a separate process also reads that process's output.
        more = sum(entry.size for entry in headers.entries) - sum(
            entry.size for entry in read_headers(sender.root("css") / "css.eti").entries
        )
        read -= more if read > more else 0
        lan.check.between("bytes read of the archive", read, size * 0.9, size * 1.5)
        told = f"{read} bytes read of the archive's {size}"
    lan.check.given("the damage shows to who reads again", not unrar.request("examine")["clean"])

    is_streamed(lan, client, "cnctw", "css")
    lan.installed_as("cnctw", client, "fixture-solid")
    arrived_in_order(lan, stream, [archive])
    got = sum(chunk.length for chunk in stream.chunks())
    lan.check.equal("bytes of the chunks", got, first.size + second.size)
    lan.check.equal("bytes in throughput", stream.figures().get("bytes"), first.size + second.size)
    client.shutdown()
    ends_as(lan, stream, "download-finished", "install-finished")
    lan.evidence(
        f"solid, says {verdict['by']}; {stream.told()}; {told}; it came whole though its"
        f" beginning was destroyed when {received} bytes had come"
    )


@scenario(
    "S43",
    name="Already installed",
    proves="A second stream of an installed game is accepted and then ends in `download-failed` "
    "with `already-installed`; nothing is transferred and the disk is unchanged",
)
def already_installed(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    client.stream_install("cnctw").installed()
    drains(lan, bravo)
    before, own = stamps(client.games), client.local()
    again = client.stream_install("cnctw")
    failed = again.failed("already-installed")
    lan.check.true("the failure has a reason", failed.data.get("reason"))
    lan.check.equal("the client's games", client.local(), own)
    is_streamed(lan, client, "cnctw")
    lan.check.equal("what bravo sends", outbound(bravo), {})
    client.shutdown()
    ends_as(lan, again, "download-failed")
    for name in ("download-begin", "download-chunk-finished", "install-begin"):
        again.window.none_of(name, what=f"no {name}")
    lan.check.equal("files that were touched", unchanged("games", before, stamps(client.games)), [])
    lan.installed_as("cnctw", client, "fixture-bravo")
    lan.evidence(f"{failed.data.get('code')}: {failed.data.get('reason')}; no file was touched")


@scenario(
    "S47",
    name="Several archives",
    proves="The entries of fixture-multi arrive in the order of its archives, as do those of a "
    "game of eight archives; exactly their entries are installed",
)
def several_archives(lan: Lan) -> None:
    names = [f"{letter}.eti" for letter in "abcdefgh"]
    # A folder may list two archives in the right order by chance, but hardly eight.
    originals = {
        name: fixtures.games_dir(fixture) / game_id / f"{game_id}.eti"
        for name, (fixture, game_id) in zip(names, MANY, strict=True)
    }
    files = [File(f"coh/{name}", path.read_bytes()) for name, path in reversed(originals.items())]
    version = File("coh/version.ini", catalog_version("coh").encode())
    multi, many, client = lan.start(
        peer("multi", "fixture-multi"), peer("many", [*files, version]), peer("client")
    )
    client.connect(multi, many)
    stream = client.stream_install("cnctw")
    stream.installed()
    root = multi.root("cnctw")
    arrived_in_order(lan, stream, [root / "a-first.eti", root / "z-second.eti"])
    lan.installed_as("cnctw", client, "fixture-multi")
    for name, text in (("first", "first archive payload"), ("second", "second archive payload")):
        content = (client.root("cnctw") / "local/order" / f"{name}.txt").read_text()
        lan.check.equal(f"text of the {name} archive", content, f"{text}\n")

    more = client.stream_install("coh")
    more.installed()
    arrived_in_order(lan, more, [many.root("coh") / name for name in names])
    every = [fixtures.contents(fixture, game_id) for fixture, game_id in MANY]
    lan.installed_is("coh", client, {path: file for one in every for path, file in one.items()})
    is_streamed(lan, client, "cnctw", "coh")
    client.shutdown()
    for one in (stream, more):
        ends_as(lan, one, "download-finished", "install-finished")
    lan.evidence(f"{stream.told()} of 2 archives; {more.told()} of {len(names)} archives")
