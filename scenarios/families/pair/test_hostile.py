"""Those who want to read, change or break: P40, P41, P45."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import base64
import json

from scenarios.core.backends.base import Capability
from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import QUICK, Pair
from scenarios.families.pair.peers import TRANSFER_S, noise
from scenarios.families.pair.relay import Asker
from scenarios.families.pair.specs import foreign_node

KB = 1000
MIB = 1 << 20
# Pieces of what must not be seen: long enough to be no accident, short enough to lie within a
# packet.
PIECE = 16
EVERY = 1024
SECRET_NAMES = (
    "a-telling-name.bin",
    "folder-of-secrets/another-telling-name.txt",
    "the-third-name",
)


@scenario(
    "P40", name="Man in the middle",
    proves="a registration that is noise or has other keys ends with identity-mismatch, a "
    "handshake with a changed byte, a replayed and a reflected one with handshake-failed; never "
    "with a connection; left alone the pair connects",
)  # fmt: skip
def man_in_the_middle(pair: Pair) -> None:
    pair.start(middle=True, join=False)
    codes = [failure(pair, what) for what in ("blob", "keys", "identity")]
    pair.check.equal("registrations that are changed", codes, ["identity-mismatch"] * 3)
    changed = []
    for at in PLACES:
        pair.middle.request("alter", at=at)
        changed.append(failure(pair, "address"))
    pair.check.equal("a mirror", failure(pair, "mirror"), "handshake-failed")
    pair.check.equal("handshakes that are changed", changed, ["handshake-failed"] * len(PLACES))
    pair.check.equal("connections so far", connections(pair), 0)
    pair.middle.request("alter", at=None)
    for peer in pair.peers:
        pair.swap(peer, "address")
    pair.join()
    last = len(pair.middle.request("recorded")["sizes"]) - 1
    for peer in pair.peers:
        told = pair.middle.request("replay", addr=peer.addr, connection=last, timeout=20)
        pair.check.equal("a replay is hung up on", told["closed"], True)
    pair.alpha.shares("after.bin", KB)
    pair.check.equal("connections in the end", connections(pair), 2)


# In the hello of the one who dials: magic, role, X25519, ML-KEM.
PLACES = (0, 5, 20, 1000)


def connections(pair: Pair) -> int:
    """Return how often both together have connected."""
    for peer in pair.peers:
        peer.status()
    return sum(len(peer.node.everything().events("peer-connected")) for peer in pair.peers)


def failure(pair: Pair, what: str) -> str:
    """Let the pair join with registrations changed; return why it fails.

    Of two ends of a connection one finds out, and the other sees it end.
    """
    for peer in pair.peers:
        pair.swap(peer, what)
    windows = [peer.window() for peer in pair.peers]
    for peer in pair.peers:
        peer.join(pair.relay_url)
    codes = {str(window.wait_event("connect-failed").data["code"]) for window in windows}
    return " and ".join(sorted(codes - {"unreachable"}))


@scenario(
    "P41", name="Eavesdroppers",
    proves="what the relay and a listener on the wire see, directly and over the bridge, has no "
    "name, no content and no fingerprint in it; the relay's log has no token and no registration",
    needs=(Capability.CAPTURE,),
)  # fmt: skip
def eavesdroppers(pair: Pair) -> None:
    pair.start(flags=QUICK, relay=("--bridge",), middle=True, captured=True, join=False)
    pair.middle.request("dead", on=True)
    pair.join()
    content = noise(64 * KB, 41)
    for path in SECRET_NAMES:
        pair.alpha.has_content(path, content)
        pair.alpha.add(path)
        pair.bravo.node.request("wait-file", path=path, timeout_ms=20_000, timeout=30)
        pair.bravo.pulls(path)
    windows = [peer.window() for peer in pair.peers]
    pair.middle.request("dead", on=False)
    for window in windows:
        window.wait_event("connection-mode", mode="direct", timeout=60)
    pair.bravo.pulls(SECRET_NAMES[0], to="copy-of-it.bin")
    token = str(pair.middle.request("token", fingerprint=pair.lower.fingerprint)["token"])
    blob = json.loads(Asker(pair).ask("GET", "/fetch", token)["body"])["blob"]
    nodes = (pair.relay, pair.alpha.node, pair.bravo.node)
    for node in reversed(nodes):
        node.shutdown()
    seen = b"".join(pair.trial.captured(node) for node in nodes)
    pair.check.given("captures", len(seen) > 8 * len(content) and token.encode() in seen, "lack it")
    secrets = {
        "names": [name.encode() for name in (*SECRET_NAMES, "copy-of-it.bin")],
        "content": pieces(content, EVERY),
        "fingerprints": [part for peer in pair.peers for part in forms(peer.fingerprint)],
    }
    for what, parts in secrets.items():
        pair.check.equal(f"{what} seen", [part for part in parts if part in seen], [])
    for what, text in {"tokens": token, "registrations": blob}.items():
        pair.check.equal(f"{what} in the relay's log", said(pair.relay, text[:PIECE]), [])


def pieces(content: bytes, every: int) -> list[bytes]:
    """Return pieces of bytes."""
    return [content[at : at + PIECE] for at in range(0, len(content) - PIECE, every)]


def forms(fingerprint: str) -> list[bytes]:
    """Return pieces of a fingerprint, as text and as bytes."""
    raw = base64.urlsafe_b64decode(fingerprint + "==")
    return [
        *pieces(fingerprint.encode(), PIECE),
        *pieces(raw, PIECE),
        *pieces(raw.hex().encode(), PIECE),
    ]


def said(node: Node, text: str) -> list[str]:
    """Return what a node wrote with a text in it."""
    return [line.text for line in node.log.lines() if line.stream != "in" and text in line.text]


CONTROL, DEEP = "a\nb", "/".join(["d"] * 70)
HOSTILE_NAMES = (
    "../out", "/absolute", "a/../../out", "a//b", "./a", "back\\slash", "C:/drive", CONTROL, DEEP,
    "n" * 256, "x/" * 1100 + "x", ".pair-cli/own", "",
)  # fmt: skip
MESSAGE = 6
FLOOD = 100_000
# What a peer with so many entries may use, with what it needs itself.
MEMORY = 200 * MIB


@scenario(
    "P45", name="Hostile peer",
    proves="names that leave the folder are left out, honest ones beside them come; giant lengths, "
    "messages and frames out of place end the connection; 100,000 announcements cost little "
    "memory; the peer goes on",
)  # fmt: skip
def hostile_peer(pair: Pair) -> None:
    pair.start(desks=("bravo",), join=False)
    bravo = pair.bravo
    [foreign] = pair.trial.start(foreign_node())
    ready = foreign.everything().wait_event("ready").data

    def meets() -> int:
        window = bravo.window()
        foreign.request("register", relay=pair.relay_addr)
        bravo.join(pair.relay_url, ready["fingerprint"])
        bravo.node.everything().wait_event("registered")
        met = foreign.request(
            "meet", relay=pair.relay_addr, fingerprint=bravo.fingerprint, timeout=30
        )
        window.wait_event("peer-connected", timeout=TRANSFER_S)
        return int(met["connection"])

    connection = meets()
    names = [*HOSTILE_NAMES, "honest.bin"]
    foreign.request("announce", connection=connection, paths=names, size=10)
    bravo.node.everything().wait_event("file-announced", path="honest.bin")
    pair.check.equal("names that are taken", list(bravo.listed("remote")), ["honest.bin"])
    beside = sorted(one.name for one in bravo.folder.host.parent.iterdir())
    pair.check.equal("what is beside the folder", beside, ["folder", "mnt", "state"])
    for what, hexed in {
        "a message of 2 GiB": "7fffffff",
        "a bulk frame of 2 GiB": "ffffffff",
        "a frame without a tag": "00000001ff",
        "a frame that does not open": "00000020" + "00" * 32,
    }.items():
        foreign.request("raw", connection=connection, hexed=hexed)
        ended(foreign, connection, what)
        connection = meets()
    for what, kind, hexed in (
        ("a kind that there is not", 99, ""),
        ("no message", MESSAGE, "c1"),
        ("a second agreement of another kind", MESSAGE, "93a5616772656501c0"),
    ):
        foreign.request("frame", connection=connection, kind=kind, hexed=hexed)
        ended(foreign, connection, what)
        connection = meets()
    foreign.request("announce", connection=connection, paths=["again.bin"], size=10)
    flood = foreign.request("flood", connection=connection, count=FLOOD, timeout=TRANSFER_S)
    stored = {"connection": connection, "upto": flood["upto"]}
    foreign.everything().wait_event("acknowledged", **stored, timeout=TRANSFER_S)
    memory = bravo.tries("memory")["bytes"] or 0
    pair.check.between("memory in bytes", memory, 1, MEMORY)
    bravo.has("own.bin", KB)
    bravo.add("own.bin")
    pair.check.equal("its own files", list(bravo.listed("local")), ["own.bin"])


def ended(foreign: Node, connection: int, what: str) -> None:
    """Wait until a connection is ended."""
    foreign.everything().wait_event("closed", connection=connection, what=f"ends: {what}")
