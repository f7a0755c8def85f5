"""A download loses one source of two, its only source, or the free space on its disk: S18 to S20.

A progress event of the client triggers each fault. The sources' rate limits ensure that this
happens in the middle of a chunk.
"""

# ruff: noqa: D103 - the decorator says what a scenario proves

from collections.abc import Iterable

from scenarios.core.backends.base import Capability
from scenarios.core.log import Event
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.attempts import FAILURES, Chunk
from scenarios.families.lan_spread.downloads import (
    CHUNK,
    archive_chunks,
    bytes_by_source,
    cover_once,
    parts_of,
    tells_parts,
)
from scenarios.families.lan_spread.games import made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import local_row
from scenarios.families.lan_spread.specs import peer

MIB = 1 << 20
# Four chunks; the last one is small and not part of the test.
FOUR_CHUNKS = 3 * CHUNK + 4 * MIB
BLOCK = 4 * MIB
# At this rate a chunk takes 3.2 s, with progress every half second: the first progress with ENOUGH
# comes while the source is in its first chunk.
RATE = "40MiB"
ENOUGH = 24 * MIB
ENDS_WITHIN_S = 10.0


@scenario(
    "S18",
    name="Redundant source drop",
    proves="A bf1942 of 4 chunks from two rate-limited peers, one killed while it delivers a "
    "chunk: finished, never failed; every byte delivered; the survivor resumed the interrupted "
    "chunk where it stopped; the files are the sources'",
)
def redundant_source_drop(lan: Lan) -> None:
    large = made_game("bf1942", FOUR_CHUNKS, "S18")
    survivor, victim, client = lan.start(
        # So slow at first that nearly all bytes before the fault came from the victim.
        peer("survivor", [large], upload_limit="1MiB"),
        peer("victim", [large], upload_limit=RATE),
        peer("client"),
    )
    client.connect(survivor, victim)
    download = client.download("bf1942", install=False)
    fault = lan.faults.when(
        download.window, "download-progress", game_id="bf1942", where=has_enough,
        do=victim.node.kill, what="kill the victim within its first chunk",
    )  # fmt: skip
    trigger = fault.carried_out()
    lan.check.equal(
        "chunks finished before the fault", chunks_before(trigger, archive_chunks(download)), []
    )
    survivor.node.request("set-limits", upload=None, download=None)
    finished = download.finished(timeout=60)

    archive = archive_chunks(download)
    lan.check.equal(
        "chunks of the archive, finished by the survivor",
        [(chunk.offset, chunk.length) for chunk in archive if chunk.peer_id == survivor.peer_id],
        [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, CHUNK), (3 * CHUNK, 4 * MIB)],
    )
    lan.check.true("every byte of every chunk came once", all(map(cover_once, download.chunks())))
    told = "the survivor delivered all of it"
    if any(map(tells_parts, archive)):
        shared = [chunk for chunk in archive if len(parts_of(chunk)) > 1]
        lan.check.equal("chunks that two delivered: the interrupted one", len(shared), 1)
        [interrupted] = shared
        first, *rest = parts_of(interrupted)
        lan.check.equal("who began the interrupted chunk", first.peer_id, victim.peer_id)
        lan.check.equal("where it began", first.offset, interrupted.offset)
        # Verified blocks were not fetched again. By then the survivor had at most one block, and
        # the victim had one in progress.
        came = int(trigger.data["downloaded_bytes"])
        lan.check.between("bytes kept of it", first.length, came - 2 * BLOCK, CHUNK - BLOCK)
        lan.check.equal("bytes kept are whole blocks", first.length % BLOCK, 0)
        lan.check.equal(
            "who delivered the rest of it", {part.peer_id for part in rest}, {survivor.peer_id}
        )
        shares = bytes_by_source([interrupted], lan.peers)
        told = f"the interrupted chunk at {interrupted.offset}: {shares}"
    lan.same_game("bf1942", client, survivor)
    lan.check.equal("the client's games", client.local(), [local_row(client.root("bf1942"))])
    client.shutdown()
    for name in FAILURES:
        download.window.none_of(name, what=f"no {name}")
    lan.evidence(
        f"killed at {trigger.data['downloaded_bytes']} bytes; finished "
        f"{finished.at - trigger.at:.1f} s later; {told}"
    )


@scenario(
    "S19",
    name="Sole source drop",
    proves="A bf1942 of 4 chunks from one rate-limited peer, killed mid-chunk: failed or "
    "peers-gone within ten seconds, never finished; no `version.ini`, local row or operation",
)
def sole_source_drop(lan: Lan) -> None:
    source, client = lan.start(
        peer("source", [made_game("bf1942", FOUR_CHUNKS, "S18")], upload_limit=RATE),
        peer("client"),
    )
    client.connect(source)
    download = client.download("bf1942", install=False)
    fault = lan.faults.when(
        download.window, "download-progress", game_id="bf1942", where=has_enough,
        do=source.node.kill, what="kill the only source within its first chunk",
    )  # fmt: skip
    trigger = fault.carried_out()
    lan.check.equal(
        "chunks finished before the fault", chunks_before(trigger, archive_chunks(download)), []
    )
    ended = download.window.wait_event(
        "download-failed", "download-peers-gone", game_id="bf1942",
        timeout=ENDS_WITHIN_S, fails_on=["download-finished", "download-cancelled"],
        what="the download fails soon",
    )  # fmt: skip
    lan.check.equal("the client's games", client.local(), [])
    lan.check.equal("operations afterwards", client.operations(), [])
    lan.check.equal("games that others offer", client.remote(), [])
    error = client.refuses("download", "no peers have game bf1942", game_id="bf1942")
    client.shutdown()
    download.window.none_of("download-finished", what="never finished")
    lan.check.true("no version.ini", not (client.root("bf1942") / "version.ini").exists())
    lan.evidence(
        f"killed at {trigger.data['downloaded_bytes']} of {FOUR_CHUNKS + 9} bytes; {ended.name} "
        f"{ended.at - trigger.at:.2f} s later; asked again: {error.code}"
    )


@scenario(
    "S20",
    name="Receiver disk full",
    proves="A client on a 32 MiB disk downloads alienswarm: `download-failed` with "
    "`write-failed` within ten seconds; no `version.ini`, no operation; the client still answers "
    "and can download a small game",
    needs=[Capability.SMALL_DISK],
)
def receiver_disk_full(lan: Lan) -> None:
    alpha, bravo, client, reader = lan.start(
        peer("alpha", "fixture-alpha"),
        peer("bravo", "fixture-bravo"),
        peer("client", disk_bytes=32 * MIB),
        peer("reader"),
    )
    client.connect(alpha, bravo)
    lan.check.equal("what is on the small disk before", client.small_disk(), set())
    asked = lan.now()
    download = client.download("alienswarm", install=False)
    failed = download.failed("write-failed", timeout=ENDS_WITHIN_S)
    lan.check.true("the failure has a reason", failed.data.get("reason"))
    lan.check.equal("the client's games", client.local(), [])
    lan.check.equal("operations afterwards", client.operations(), [])
    lan.check.equal("what is on the small disk after the failure", client.small_disk(), set())

    small = client.download("bfbc2", install=False)
    small.finished()
    lan.check.equal(
        "the client's games afterwards", client.local(), [local_row(bravo.root("bfbc2"))]
    )
    lan.check.equal(
        "what is on the small disk at the end",
        client.small_disk(),
        {"bfbc2", "bfbc2/bfbc2.eti", "bfbc2/version.ini"},
    )
    # The host may not see this disk; another peer's download shows what is on it.
    reader.connect(client)
    reader.download("bfbc2", install=False).finished()
    lan.same_game("bfbc2", reader, bravo)
    client.shutdown()
    download.window.none_of(
        "download-finished", game_id="alienswarm", what="alienswarm never finished"
    )
    lan.evidence(
        f"failed {failed.at - asked:.2f} s after the command: {failed.data.get('reason')}; "
        f"then {small.told()}"
    )


def has_enough(event: Event) -> bool:
    """Whether a `download-progress` has enough bytes for a chunk to be in progress."""
    return int(event.data.get("downloaded_bytes", 0)) >= ENOUGH


def chunks_before(event: Event, chunks: Iterable[Chunk]) -> list[str]:
    """Return the chunks that finished before an event of the same peer."""
    return [str(chunk) for chunk in chunks if chunk.line.index < event.line.index]
