"""One legacy peer, byte by byte: F1 to F4."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from collections.abc import Mapping
from typing import Any

from scenarios.core.log import Event
from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import FOLDER, Made, Text, Thing, sha256_of
from scenarios.families.folder_sync.peers import Peer
from scenarios.families.folder_sync.raw_node import RawNode, first_message, keepalive
from scenarios.families.folder_sync.specs import Launch, peer
from scenarios.families.folder_sync.sync import Sync

MIB = 1 << 20
THEN = 1_772_046_425
PORT = 8001
# A tracker sees a connection a little later than the peer does.
EARLY_S, LATE_S = 0.1, 2.5
LARGE = Made(16 * MIB, "F4", THEN)


def said(tracker: RawNode, one: Peer, nth: int = 0) -> Event:
    """Return the n-th thing that a peer says to a raw tracker."""
    whole = tracker.node.everything()
    came = whole.wait_event("peer-came", ip=one.node.address)
    window, connection = whole, came.data["connection"]
    for _ in range(nth):
        window = window.since(window.wait_event("peer-said", connection=connection))
    return window.wait_event("peer-said", connection=connection)


def column(rows: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return one value of each row."""
    return {key: row[name] for key, row in rows.items()}


def port_of(one: Peer) -> int:
    """Return where a peer says that it listens."""
    return int(one.addr.rpartition(":")[2])


@scenario(
    "F1", name="Local files",
    proves="a legacy peer announces the files of its folder with their mtimes; folders, links and "
    "code are left out; an empty folder is `[]`",
)  # fmt: skip
def local_files(sync: Sync) -> None:
    tracker = sync.raw("tracker").track()
    holder, empty = sync.legacy(
        peer(
            "holder",
            {
                "a.txt": Text(b"hello", mtime=THEN + 0.75),
                "folder": FOLDER,
                "folder-with/b.txt": "inside",
                **dict.fromkeys(("code.py", "code.so", "code.dll"), "code"),
            },
        ),
        peer("empty"),
        tracker=tracker,
    )
    for one, files in ((holder, {"a.txt": THEN}), (empty, {})):
        got = said(tracker, one).data["text"]
        sync.check.equal(f"what {one} announces", got, first_message(port_of(one), files))


@scenario(
    "F2", name="The wanted port is taken",
    proves="the next free port is used and announced; two peers started at once with the same wish "
    "both live",
)  # fmt: skip
def port_taken(sync: Sync) -> None:
    tracker = sync.raw("tracker").track()
    [late] = sync.legacy(
        peer("late", {"a.txt": Text(b"a", mtime=THEN)}, port=PORT, launch=Launch(taken=2)),
        tracker=tracker,
    )
    sync.check.equal("the port of the late one", port_of(late), PORT + 2)
    got = said(tracker, late).data["text"]
    sync.check.equal("what it announces", got, first_message(PORT + 2, {"a.txt": THEN}))
    shared = sync.shared_address()
    twins = sync.legacy(
        *(
            peer(name, {"t.txt": name}, port=PORT + 10, address=shared)
            for name in ("castor", "pollux")
        ),
        tracker=tracker,
    )
    asker, served = sync.raw("asker"), {}
    for one in twins:
        answer = asker.ask(one.addr, "t.txt\n")
        served[one.name] = answer["begins"]
    sync.check.equal("what they serve", served, {one.name: one.name for one in twins})
    wanted = [PORT + 10, PORT + 11] if shared else [PORT + 10, PORT + 10]
    sync.check.equal("their ports", sorted(map(port_of, twins)), wanted)


@scenario(
    "F3", name="First bytes",
    proves="2 s after connecting, exactly the first message, in ASCII; 5 s after the end of each "
    "round, exactly the keepalive",
)  # fmt: skip
def first_bytes(sync: Sync) -> None:
    holder = sync.raw("holder").serve()
    holder.hold("slow.txt", content="0123456789", single=True, gap_s=0.1)
    tracker = sync.raw("tracker").track()
    plain, accented = sync.legacy(
        peer("plain", {"a.txt": Text(b"a", mtime=THEN)}),
        peer("accented", {"\u00fc\U0001f600.txt": Text(b"b", mtime=THEN)}),
        tracker=tracker,
    )
    for one, name in ((plain, "a.txt"), (accented, "\u00fc\U0001f600.txt")):
        first = said(tracker, one)
        sync.check.equal(
            "the first bytes", first.data["text"], first_message(port_of(one), {name: THEN})
        )
        sync.check.between("seconds until then", first.data["after_s"], 2 - EARLY_S, 2 + LATE_S)
    again = said(tracker, plain, 1)
    sync.check.equal("the keepalive", again.data["text"], keepalive(port_of(plain)))
    # Before that one, the round had the other peer's file to fetch, or nothing.
    sync.check.between(
        "seconds until the keepalive", again.data["after_s"], 5 - EARLY_S, 5 + LATE_S
    )
    tracker.know("slow.txt", holder.addr, THEN)
    said(tracker, plain, 2)
    slow = said(tracker, plain, 3)
    sync.check.equal("the next keepalive", slow.data["text"], keepalive(port_of(plain)))
    # 19 bytes of header and 10 of body, a tenth of a second apart.
    sync.check.between(
        "seconds until the keepalive after a slow round", slow.data["after_s"], 7.8 - EARLY_S, 14
    )


@scenario(
    "F4", name="Serving",
    proves="header and exact body of 0 bytes, 11 bytes and 16 MiB; requests, headers and bodies "
    "are understood in one segment and in single bytes; a missing file is an end",
)  # fmt: skip
def serving(sync: Sync) -> None:
    tracker = sync.raw("tracker").track()
    things: dict[str, Thing] = {"empty": b"", "eleven": b"hello world", "large": LARGE}
    [ours] = sync.legacy(peer("ours", things), tracker=tracker)
    asker = sync.raw("asker")
    got, want = {}, {}
    for name in things:
        held = ours.read(name)
        for single in (False, True):
            case = f"{name}, asked for in single bytes" if single else name
            got[case] = asker.ask(ours.addr, f"{name}\n", single=single)
            header = f"Content-Length: {len(held)}\n"
            want[case] = {"header": header, "count": len(held), "sha256": sha256_of(held)}
    for what, part in (("headers", "header"), ("bytes", "count"), ("SHA-256", "sha256")):
        sync.check.equal(what, column(got, part), column(want, part))
    answer = asker.ask(ours.addr, "missing\n")
    came = answer["header"], answer["ended"]
    sync.check.equal("what comes for a missing file", came, ("", "eof"))
    holder = sync.raw("holder").serve()
    digests = {
        "in-one": holder.hold("in-one", content="one segment"),
        "in-bytes": holder.hold("in-bytes", content="a segment per byte", single=True),
        "none": holder.hold("none"),
        "none-in-bytes": holder.hold("none-in-bytes", single=True),
        "big": holder.hold("big", size=16 * MIB, seed="F4"),
    }
    for name in digests:
        tracker.know(name, holder.addr, THEN)
    for name in digests:
        ours.told("fetch-finished", path=name)
    fetched = {name: sha256_of(ours.read(name)) for name in digests}
    sync.check.equal("what is fetched", fetched, digests)
