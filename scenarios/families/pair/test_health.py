"""The connection of a pair: its health, its end, who begins it: P23 to P28, P46, P52, P53."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import QUICK, Pair
from scenarios.families.pair.peers import TRANSFER_S, Peer, parts

KB = 1000
MIB = 1 << 20
HEARTBEAT_S = 0.3  # of QUICK
MISSES = 3
# For a busy machine.
SLACK_S = 6.0


@scenario(
    "P23", name="Health after connecting",
    proves="both say connected, healthy, direct, and whom they are connected to",
)  # fmt: skip
def health_after_connecting(pair: Pair) -> None:
    pair.start()
    for peer in pair.peers:
        told = peer.status()
        state = (told["connection"], told["health"], told["mode"], told["peer"])
        wanted = ("connected", "healthy", "direct", peer.other.fingerprint)
        pair.check.equal("state", state, wanted)


@scenario(
    "P24", name="Heartbeats and round trips",
    proves="heartbeats are answered all the time, and their round trip is told",
)  # fmt: skip
def heartbeats(pair: Pair) -> None:
    pair.start(flags=(*QUICK, "--upload-limit", "1MiB"))
    # It takes two seconds, so several heartbeats.
    pair.alpha.shares("slow.bin", 3 * MIB)
    pair.bravo.pulls("slow.bin")
    for peer in pair.peers:
        told = peer.status()
        pair.check.true("heartbeats answered", told["heartbeats"] >= MISSES, str(told))
        pair.check.between("round trip in ms", told["rtt_ms"] or -1, 0.001, 5000)


@scenario(
    "P25", name="Transfer and health",
    proves="a pull under way is in the status, and both stay healthy throughout",
)  # fmt: skip
def transfer_and_health(pair: Pair) -> None:
    pair.start(flags=(*QUICK, "--upload-limit", "2MiB"))
    pair.alpha.shares("slow.bin", 4 * MIB)
    windows = [peer.window() for peer in pair.peers]
    pull = pair.bravo.pull("slow.bin")
    pull.window.wait_event("pull-begin", path="slow.bin")
    rows = [(row["path"], row["total_bytes"]) for row in pair.bravo.status()["transfers"]]
    pair.check.equal("transfers under way", rows, [("slow.bin", 4 * MIB)])
    pull.finished()
    pair.check.equal("transfers afterwards", pair.bravo.status()["transfers"], [])
    pair.alpha.status()
    changes = [event.data for window in windows for event in window.events("health-changed")]
    pair.check.equal("changes of health", changes, [])


@scenario(
    "P26", name="Connection goes silent, then is cut",
    proves="a silent connection is given up within what the heartbeats promise, a cut one at once; "
    "health says so, and both connect again by themselves",
)  # fmt: skip
def sockets_cut(pair: Pair) -> None:
    pair.start(flags=QUICK, middle=True)
    windows = {peer: peer.window() for peer in pair.peers}
    began = pair.now()
    pair.middle.request("mute", on=True)
    for peer, window in windows.items():
        gone = window.wait_event("peer-disconnected")
        pair.check.equal("why, when silent", gone.data["reason"], "timeout")
        took = gone.line.at - began
        pair.check.between("seconds until then", took, HEARTBEAT_S, SLACK_S)
        window.wait_event("health-changed", health="disconnected")
        pair.check.equal("health", peer.status()["health"], "disconnected")
    pair.middle.request("mute", on=False)
    for window in windows.values():
        window.wait_event("peer-connected")
    windows = {peer: peer.window() for peer in pair.peers}
    pair.middle.request("cut")
    for window in windows.values():
        gone = window.wait_event("peer-disconnected")
        pair.check.equal("why, when cut", gone.data["reason"], "connection-lost")
        window.since(gone).wait_event("health-changed", health="healthy")


@scenario(
    "P27", name="Who begins",
    proves="the one with the lower fingerprint is the initiator, whoever joins first; the other "
    "dials it",
)  # fmt: skip
def who_begins(pair: Pair) -> None:
    pair.start(join=False)
    began: list[Peer] = []
    for lower_first in (True, False):
        first = pair.lower if lower_first else pair.lower.other
        windows = {peer: peer.window() for peer in pair.peers}
        order = (first, first.other)
        replies = {peer: peer.join(pair.relay_url)["initiator"] for peer in order}
        began += [peer for peer, initiator in replies.items() if initiator]
        for peer, window in windows.items():
            connected = window.wait_event("peer-connected")
            dialled = peer is not pair.lower
            pair.check.equal("whether it dialled", connected.data["initiated"], dialled)
        if lower_first:
            # A new relay too: this one would tell of addresses where nobody is any more.
            pair.relay.kill()
            pair.start_relay(again=True)
            for peer in pair.peers:
                peer.node.shutdown()
                pair.restart(peer)
    pair.check.equal("initiators", [peer.node.name for peer in began], [pair.lower.node.name] * 2)


@scenario(
    "P28", name="End in every state",
    proves="alone, waiting, connected, within a pull and reconnecting: each ends at once, the "
    "other is told, and its folders can be used again",
)  # fmt: skip
def end_in_every_state(pair: Pair) -> None:
    pair.start(flags=("--upload-limit", "1MiB"), join=False)
    pair.alpha.node.shutdown()
    alpha = pair.restart(pair.alpha)
    alpha.join(pair.relay_url)
    alpha.node.everything().wait_event("registered")
    alpha.node.shutdown()
    alpha = pair.restart(alpha)
    pair.join()
    alpha.shares("slow.bin", 8 * MIB)
    pull = pair.bravo.pull("slow.bin")
    pull.window.wait_event("pull-progress", where=lambda event: event.data["done_bytes"] > 0)
    told = alpha.window()
    pair.bravo.node.shutdown()
    gone = told.wait_event("peer-disconnected")
    pair.check.equal("what the other is told", gone.data["reason"], "goodbye")
    pair.check.equal("unfinished files", parts(pair.bravo), ["pulled/slow.bin.part"])
    alpha.node.shutdown()
    alpha, bravo = pair.restart(alpha), pair.restart(pair.bravo)
    pair.join()
    bravo.node.kill()
    alpha.node.everything().wait_event("reconnecting")
    alpha.node.shutdown()


@scenario(
    "P46", name="Frozen",
    proves="a peer that is frozen is given up; thawed, both connect again and the pull goes on to "
    "its end",
)  # fmt: skip
def frozen(pair: Pair) -> None:
    size = 8 * MIB
    pair.start(flags=(*QUICK, "--upload-limit", "2MiB"))
    pair.alpha.shares("slow.bin", size)
    pull = pair.bravo.pull("slow.bin")
    progress = pull.window.wait_event(
        "pull-progress", where=lambda one: one.data["done_bytes"] >= 3 * MIB
    )
    pair.alpha.node.freeze()
    gone = pull.window.since(progress).wait_event("peer-disconnected")
    pair.check.equal("why it is given up", gone.data["reason"], "timeout")
    # The pause before the sixth attempt begins after more than a minute.
    attempt = 6 if pair.full_length else 1
    pull.window.since(gone).wait_event("reconnecting", attempt=attempt, timeout=TRANSFER_S)
    pair.alpha.node.thaw()
    pull.window.since(gone).wait_event("peer-connected")
    finished = pull.finished()
    # Fewer than what was here already would add.
    pair.check.between("bytes fetched", finished.data["wire_bytes"], size, size + 2 * MIB)
    pair.same("content", pair.bravo, "pulled/slow.bin", pair.alpha, "slow.bin")


@scenario(
    "P52", name="Bridge takes over, and back",
    proves="when the direct way is cut, the relay's bridge carries the pull; when it is there "
    "again the pair goes back to it",
)  # fmt: skip
def bridge_takes_over(pair: Pair) -> None:
    pair.start(flags=QUICK, relay=("--bridge",), middle=True)
    windows = [peer.window() for peer in pair.peers]
    pair.alpha.shares("one.bin", MIB)
    pair.middle.request("dead", on=True)
    for window in windows:
        window.wait_event("connection-mode", mode="bridge")
    pair.check.equal("mode", pair.bravo.status()["mode"], "bridge")
    pair.bravo.pulls("one.bin")
    pair.same("content", pair.bravo, "pulled/one.bin", pair.alpha, "one.bin")
    windows = [peer.window() for peer in pair.peers]
    pair.middle.request("dead", on=False)
    for window in windows:
        window.wait_event("connection-mode", mode="direct", timeout=60)
    pair.bravo.pulls("one.bin", to="again.bin")
    pair.same("content, direct again", pair.bravo, "again.bin", pair.alpha, "one.bin")


TIMES = 100


@scenario(
    "P53", name="Both begin at once, 100 times",
    proves="cut and told to join at the same moment, each time exactly one connection comes of it, "
    "and both agree on it",
)  # fmt: skip
def both_at_once(pair: Pair) -> None:
    pair.start(middle=True)
    for _ in range(TIMES):
        windows = [peer.window() for peer in pair.peers]
        pair.middle.request("cut")
        gone = [window.wait_event("peer-disconnected") for window in windows]
        joins = [
            peer.node.send("join", fingerprint=peer.other.fingerprint, relay=pair.relay_url)
            for peer in pair.peers
        ]
        for join, window, event in zip(joins, windows, gone, strict=True):
            join.data()
            window.since(event).wait_event("peer-connected")
    pair.alpha.shares("after.bin", KB)
    for peer in pair.peers:
        times = len(peer.node.everything().events("peer-connected"))
        pair.check.equal("times connected", times, TIMES + 1)
    pair.bravo.pulls("after.bin")
    pair.same("content", pair.bravo, "pulled/after.bin", pair.alpha, "after.bin")
