"""Legacy peers and trackers among each other, and among hostile ones: F5 to F10."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import json
from pathlib import Path

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import OWN, State, Text, Things, files_of, sha256_of
from scenarios.families.folder_sync.peers import Peer
from scenarios.families.folder_sync.raw_node import RawNode, first_message, keepalive
from scenarios.families.folder_sync.specs import LEGACY, peer
from scenarios.families.folder_sync.sync import Sync

THEN = 1_772_046_425
SILENCE = "Failed waiting for the tracker to response"
SILENCE_S = "3"
ENDS_S = 20.0
# A round is 5 s; a peer may need two until it hears of a file.
ROUNDS_S = 30.0
NONSENSE_SHOWN = 40  # characters of it


def dated(content: str, mtime: int = THEN) -> Text:
    """Return a file with a whole second as its mtime."""
    return Text(content.encode(), mtime=mtime)


def mtimes(one: Peer) -> dict[str, int]:
    """Return the mtimes of a peer's files, in nanoseconds."""
    return {name: entry.mtime_ns for name, entry in one.now().items()}


@scenario(
    "F5", name="Three files",
    proves="three legacy peers with a file each end with all three, with the same bytes and "
    "mtimes, and nothing else in any folder",
)  # fmt: skip
def three_files(sync: Sync) -> None:
    tracker = sync.tracker(*LEGACY)
    names = ("alpha", "bravo", "charlie")
    peers = sync.legacy(
        *(
            peer(name, {f"{name}.txt": dated(f"of {name}", THEN + n)})
            for n, name in enumerate(names)
        ),
        tracker=tracker,
    )
    want = {name: entry for one in peers for name, entry in one.now().items()}
    took = sync.all_become(peers, want, "what all have in the end", ROUNDS_S)
    for one in peers:
        one.node.everything().none_of("fetch-failed", what="no fetch failed")
    sync.evidence(f"all have three files after {took:.1f} s")


@scenario(
    "F6", name="Older and newer",
    proves="an older copy is replaced by the newer one, whose mtime it has then; a newer copy and "
    "one that is as old are kept",
)  # fmt: skip
def older_and_newer(sync: Sync) -> None:
    holder = sync.raw("holder").serve()
    own = {"older": THEN - 1, "newer": THEN + 1, "as-old": THEN}
    for name in own:
        holder.hold(name, content="theirs")
    # It does not learn of newer ones, so that it always says that the holder has them.
    entry = {"ip": holder.ip, "port": holder.port, "mtime": THEN}
    directory = json.dumps(dict.fromkeys(own, entry))
    tracker = sync.raw("tracker").track("scripted", f"{directory}\n")
    things = {name: dated("ours", mtime) for name, mtime in own.items()}
    [ours] = sync.legacy(peer("ours", things), tracker=tracker)
    ours.told("fetch-finished", path="older")
    ours.told("in-step")
    sync.check.equal(
        "what it has", {name: ours.read(name) for name in own},
        {"older": b"theirs", "newer": b"ours", "as-old": b"ours"},
    )  # fmt: skip
    wanted = {name: max(THEN, mtime) * 10**9 for name, mtime in own.items()}
    sync.check.equal("their mtimes", mtimes(ours), wanted)
    holder.hold("nothing", content="")  # when it has answered, all that it told before is read
    asked = {event.data["text"] for event in holder.node.everything().events("asked")}
    sync.check.equal("what it asked for", asked, {"older\n"})


@scenario(
    "F7", name="Short bodies",
    proves="a source that announces 20 bytes and ends after 5 leaves no file and no part of it; "
    "the next file arrives; when the source is whole, so does this one",
)  # fmt: skip
def short_bodies(sync: Sync) -> None:
    holder = sync.raw("holder").serve()
    tracker = sync.raw("tracker").track()
    holder.hold("a-short", content="x" * 20, sends=5)
    digest = holder.hold("b-whole", content="whole")
    for name in ("a-short", "b-whole"):
        tracker.know(name, holder.addr, THEN)
    [ours] = sync.legacy(peer("ours"), tracker=tracker)
    ours.told("fetch-finished", path="b-whole")
    ours.told("fetch-failed", path="a-short")
    sync.check.equal("its files then", files_of(ours.now()), {"b-whole": digest})
    sync.check.equal("parts of files", ours.debris(), [])
    digest = holder.hold("a-short", content="x" * 20)
    ours.told("fetch-finished", path="a-short")
    sync.check.equal("the file when it is whole", sha256_of(ours.read("a-short")), digest)


@scenario(
    "F8", name="Trackers that fail",
    proves="a tracker that is silent, ends the connection, talks nonsense or is not there: one "
    "line, exit 1, nothing half-written",
)  # fmt: skip
def trackers_that_fail(sync: Sync) -> None:
    lines = {
        "silent": (),
        "gone": (),
        "nonsense": ("hello?\n",),
        "unfinished": ('{"a.txt": \n',),
        "list": ("[]\n",),
    }
    trackers = {}
    for kind, answers in lines.items():
        trackers[kind] = sync.raw(f"tracker-{kind}").track(
            "scripted" if answers else kind, *answers
        )
    nobody = sync.raw("nobody").track()
    addrs = {kind: tracker.addr for kind, tracker in trackers.items()}
    nobody.node.request("hang-up")
    addrs["nobody"] = nobody.addr
    started = {}
    for kind, addr in addrs.items():
        spec = peer(f"of-{kind}", {"own": dated("own")}, "--silence", SILENCE_S, exit_code=1)
        [started[kind]] = sync.legacy(spec, tracker=addr)
    codes = {kind: one.node.wait_exit(ENDS_S) for kind, one in started.items()}
    said = {
        kind: [line.text for line in one.node.log.lines() if line.stream == "err"]
        for kind, one in started.items()
    }
    sync.check.equal("exit codes", codes, dict.fromkeys(started, 1))
    counts = {kind: len(lines) for kind, lines in said.items()}
    sync.check.equal("lines on stderr", counts, dict.fromkeys(started, 1))
    silent = {kind: any(SILENCE in line for line in lines) for kind, lines in said.items()}
    sync.check.equal("who tells of silence", silent, {kind: kind == "silent" for kind in started})
    files = {kind: files_of(one.now()) for kind, one in started.items()}
    sync.check.equal("their files", files, {kind: {"own": sha256_of(b"own")} for kind in started})
    parts = {kind: one.debris() for kind, one in started.items()}
    sync.check.equal("parts of files", parts, {kind: [] for kind in started})


@scenario(
    "F9", name="Hostile trackers and peers",
    proves="`../`, absolute names, newlines, huge lengths, strings for numbers, a byte a second: "
    "nothing outside the folder, and the others go on",
)  # fmt: skip
def hostile(sync: Sync) -> None:
    holder = sync.raw("holder").serve()
    tracker = sync.raw("tracker").track("scripted", *_hostile_directories(holder.addr, sync.work))
    good = holder.hold("good.txt", content="good")
    for name in _NAMES:
        holder.hold(name, content="evil")
    for name, header in _HEADERS.items():
        holder.hold(name, content="evil", header=header)
    [ours] = sync.legacy(peer("ours", {"own.txt": dated("own")}), tracker=tracker)
    (ours.state_folder / "secret.txt").write_text("not for you")
    asker = sync.raw("asker")
    asker.node.request("linger", addr=ours.addr, text="own", count=30)
    for request in (
        "../../state/secret.txt\n", f"{ours.state_folder}/secret.txt\n", "/etc/passwd\n",
        "\n", "own.txt/\n", "./own.txt\n", "own.txt\0\n", "x" * 500_000 + "\n",
    ):  # fmt: skip
        got = asker.ask(ours.addr, request)
        sync.check.equal("what a hostile request gets", (got["header"], got["count"]), ("", 0))
    sync.check.equal("what others get", asker.ask(ours.addr, "own.txt\n")["begins"], "own")
    ours.told("fetch-finished", path="good.txt", timeout=ROUNDS_S)
    own = sha256_of(b"own")
    sync.check.equal("its files", files_of(ours.now()), {"good.txt": good, "own.txt": own})
    sync.check.equal("parts of files", ours.debris(), [])
    _hostile_to_tracker(sync)


def _hostile_to_tracker(sync: Sync) -> None:
    """Check that what is wrong with one connection is nothing to the others."""
    tracker = sync.tracker(*LEGACY, name="our-tracker")
    stranger = sync.raw("stranger")
    calm = stranger.join(tracker.addr)
    said = json.loads(calm.asks(first_message(1, {"calm.txt": THEN})))
    entry = {"ip": stranger.ip, "port": 1, "mtime": THEN}
    sync.check.equal("what an honest one is told", said, {"calm.txt": entry})
    answered = {}
    for text in (
        "nonsense\n", "[]\n", '"x"\n', '{"port": "1"}\n', '{"port": 99999}\n', '{"files": []}\n',
        '{"port": 1, "files": {}}\n', '{"port": 1, "files": [1]}\n',
        '{"port": 1, "files": [{"name": 1, "mtime": 1}]}\n',
        '{"port": 1, "files": [{"name": "n", "mtime": "1"}]}\n', "\xff\xfe\n",
        "[" * 100_000 + "\n",
    ):  # fmt: skip
        one = stranger.join(tracker.addr)
        one.say(text)
        answered[text[:NONSENSE_SHOWN]] = one.hear()
    endless = stranger.join(tracker.addr)
    endless.say("x" * 100_000, times=1000)
    answered["an endless line"] = endless.hear()
    sync.check.equal("what nonsense is answered", answered, dict.fromkeys(answered, ""))
    slow = stranger.join(tracker.addr)
    slow.say(f"\n{keepalive(2)}", single=True)
    for one in (slow, calm):
        one_says = keepalive(1) if one is calm else ""
        if one_says:
            one.say(one_says)
        sync.check.equal("what the honest ones are told then", json.loads(one.hear()), said)


_NAMES = ("../evil", "/evil", "a\nb", "sub/evil", ".", "..", "", "nul\0", "own.txt/../evil")
_HEADERS = {
    "huge": "Content-Length: 99999999999999999999\n",
    "negative": "Content-Length: -4\n",
    "words": "Content-Length: four\n",
    "no-header": "hello\n",
    "long-header": "Content-Length: " + "4" * 5000,
}


def _hostile_directories(addr: str, work: Path) -> tuple[str, ...]:
    """Return what a hostile tracker says: entries that are wrong, and one that is right."""
    ip, _, port = addr.rpartition(":")
    right = {"ip": ip, "port": int(port), "mtime": THEN}
    wrong: dict[str, object] = {
        **dict.fromkeys((*_NAMES, *_HEADERS, f"{work}/evil"), right),
        "port-text": {**right, "port": port},
        "port-large": {**right, "port": 70_000},
        "mtime-text": {**right, "mtime": "1"},
        "mtime-huge": {**right, "mtime": 10**30},
        "ip-number": {**right, "ip": 7},
        "ip-name": {**right, "ip": "no such host"},
        "list": [],
        "none": None,
        "no-port": {"ip": ip, "mtime": THEN},
    }
    return (json.dumps({**wrong, "good.txt": right}) + "\n",)


@scenario(
    "F10", name="Ours and others in one swarm",
    proves="our tracker with our legacy peers and foreign ones, and a foreign tracker with both: "
    "all have all files; so have peers of the sync wire beside legacy ones, what they delete stays "
    "deleted there, and what a legacy peer replaces is kept",
)  # fmt: skip
def mixed_swarm(sync: Sync) -> None:
    # The files are the same in both swarms.
    want: State = {}
    ours: list[Peer] = []
    foreign: list[RawNode] = []
    for which, tracker in (
        ("ours", sync.tracker(*LEGACY, name="tracker-ours")),
        ("foreign", sync.raw("tracker-foreign").track()),
    ):
        theirs = [
            sync.raw(f"{which}-foreign-{n}", {f"foreign-{n}.txt": dated(f"foreign {n}", THEN + n)})
            for n in (1, 2)
        ]
        mine = sync.legacy(
            *(
                peer(f"{which}-ours-{n}", {f"ours-{n}.txt": dated(f"ours {n}", THEN - n)})
                for n in (1, 2)
            ),
            tracker=tracker,
        )
        for held in (*(one.now() for one in mine), *(one.now() for one in theirs)):
            want |= held
        for each in theirs:
            each.take_part(tracker.addr)
        ours += mine
        foreign += theirs
    for raw in foreign:
        raw.node.everything().wait_event("round-finished", files=sorted(want), timeout=ROUNDS_S)
    sync.all_become(ours, want, "what ours have", ROUNDS_S)
    _beside_sync_peers(sync)


def _beside_sync_peers(sync: Sync) -> None:
    tracker = sync.tracker(name="tracker-of-both")
    here: Things = {"old.txt": dated("old", THEN - 9), "sub/own.txt": "own"}
    both = alpha, bravo = sync.start(peer("sync-1", here), peer("sync-2"), tracker=tracker)
    sync.met(*both)
    sync.in_step(*both, compare=False)
    [legacy] = sync.legacy(peer("legacy", {"legacy.txt": dated("legacy")}), tracker=tracker)
    holder = sync.raw("holder").serve()
    files = {name: holder.hold(name, content=f"{name} of holder") for name in _HELD}
    port = int(holder.addr.rpartition(":")[2])
    holder.join(tracker.addr).say(first_message(port, dict.fromkeys(_HELD, THEN)))
    files["legacy.txt"] = sha256_of(b"legacy")
    for name in files:
        alpha.told("fetch-finished", path=name, timeout=ROUNDS_S)
    sync.in_step(*both, compare=False)
    alpha.save("sync.txt", dated("sync", THEN + 1))
    files["sync.txt"] = sha256_of(b"sync")
    exchanged = {name: entry for name, entry in alpha.now().items() if name in files}
    sync.becomes(legacy, exchanged, "what the legacy one has", ROUNDS_S)
    kept = [path.read_bytes() for one in both for path in (one.folder / OWN / "kept").iterdir()]
    sync.check.contains("what was replaced is kept", kept, b"old")
    bravo.delete("gone.txt")
    sync.in_step(*both, compare=False)
    # It is asked for one file after the other.
    late = holder.hold("late.txt", content="late")
    again = dict.fromkeys(("gone.txt", "late.txt"), THEN + 1)  # of before the deletion
    holder.join(tracker.addr).say(first_message(port, again))
    alpha.told("fetch-finished", path="late.txt", timeout=ROUNDS_S)
    sync.in_step(*both, compare=False)
    del files["gone.txt"]
    want = {**files, "late.txt": late, "sub/own.txt": sha256_of(b"own")}
    for one in both:
        sync.check.equal("what the sync ones have", files_of(one.now()), want)


_HELD = ("gone.txt", "old.txt")
