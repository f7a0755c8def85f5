"""Peers that find each other by mDNS, and again after a separation: S48, S57, S87."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import secrets

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.core.window import Window
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

MDNS = ("--mdns",)


def two_that_announce(lan: Lan) -> list[Peer]:
    """Start alpha and bravo with mDNS, and wait until each has found the other.

    As processes they share the loopback with other peers that announce themselves, so they have
    their own swarm key.
    """
    key = ("--swarm-key", lan.file("swarm.key", secrets.token_hex(32)))
    pair = lan.start(
        peer("alpha", "fixture-alpha", flags=(*MDNS, *key)), peer("bravo", flags=(*MDNS, *key))
    )
    find_each_other(*pair)
    return pair


def find_each_other(alpha: Peer, bravo: Peer) -> None:
    """Wait until each has met the other."""
    for one, other in ((alpha, bravo), (bravo, alpha)):
        one.learns_of(other, one.everything())


def lose_each_other(lan: Lan, alpha: Peer, bravo: Peer, window: Window) -> None:
    """Wait until alpha has dropped bravo, in this window of alpha's."""
    gone = window.wait_event(
        "peer-disconnected", peer_id=bravo.peer_id, what="alpha gives bravo up"
    )
    lan.check.equal("why alpha gives bravo up", gone.data.get("reason"), "timeout")


@scenario(
    "S48",
    name="mDNS discovery",
    proves="Two peers with --mdns find each other and each other's games without any `connect`, "
    "and one downloads from the other; when one leaves, the other drops it",
    needs=[Capability.MULTICAST],
)
def discovery(lan: Lan) -> None:
    alpha, bravo = two_that_announce(lan)
    for one in (alpha, bravo):
        count = one.node.request("wait-peers", count=1, timeout_ms=1000)["count"]
        lan.check.equal(f"peers that {one} has found", count, 1)
    bravo.download("ggoo", install=False).finished()
    window = alpha.window()
    bravo.shutdown()
    window.wait_event("peer-disconnected", peer_id=bravo.peer_id, what="alpha sees bravo leave")
    lan.evidence("no connect on either side; ggoo downloaded from the peer that was found")


@scenario(
    "S57",
    name="Partition and heal",
    proves="A peer is cut off the network: both sides time each other out, and games that "
    "only the other had are gone; once the link is back, a `connect` brings them together, and a "
    "download works",
    needs=[Capability.DISCONNECT],
)
def partition(lan: Lan) -> None:
    alpha, bravo = lan.start(peer("alpha", "fixture-alpha"), peer("bravo"))
    bravo.connect(alpha)
    lan.step("bravo is cut off")
    before = alpha.window()
    bravo.node.disconnect()
    lose_each_other(lan, alpha, bravo, before)
    theirs = bravo.everything().wait_event(
        "peer-disconnected", peer_id=alpha.peer_id, what="bravo gives alpha up"
    )
    lan.check.equal("why bravo gives alpha up", theirs.data.get("reason"), "timeout")
    lan.check.equal("what is offered to bravo meanwhile", bravo.remote(), [])
    lan.step("the link is back")
    bravo.node.reconnect()
    bravo.connect(alpha)
    bravo.download("ggoo", install=False).finished()
    lan.evidence("both gave the other up for silence; connected again, ggoo downloaded")


@scenario(
    "S87",
    name="Stopped and continued",
    proves="A peer found by mDNS is stopped until the other has timed it out: when it "
    "continues, both find each other again without a `connect`, and a download works",
    needs=[Capability.MULTICAST],
)
def stopped(lan: Lan) -> None:
    alpha, bravo = two_that_announce(lan)
    # Twice: at the first stop bravo may not have heard of alpha yet, and finds it as a new peer.
    for turn in ("", " once more"):
        lan.step(f"bravo is stopped{turn}")
        before = alpha.window()
        bravo.node.freeze()
        lose_each_other(lan, alpha, bravo, before)
        lan.step(f"bravo goes on{turn}")
        window, theirs = alpha.window(), bravo.window()
        went_on = lan.now()
        bravo.node.thaw()
        window.wait_event("peer-connected", peer_id=bravo.peer_id, what="alpha finds bravo again")
        found = lan.now()
        # What bravo wrote just before it was stopped arrives only now.
        gone = theirs.wait_event(
            "peer-disconnected", peer_id=alpha.peer_id, what="bravo gives up too"
        )
        bravo.learns_of(alpha, theirs.since(gone))
    bravo.download("ggoo", install=False).finished()
    lan.evidence(f"alpha knows bravo again after {found - went_on:.1f} s; ggoo downloaded")
