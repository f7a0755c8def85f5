"""Sources with hostile offers: S62, S83, S84, S98, S99."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.downloads import Download
from scenarios.families.lan_spread.games import catalog_version, made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, local_row
from scenarios.families.lan_spread.rar5 import read_headers
from scenarios.families.lan_spread.raw_client import RawClient, advertised
from scenarios.families.lan_spread.specs import peer

MIB = 1 << 20
CONTENT = b"what a hostile source has sent"

# Names that no receiver may accept; `{}` is a folder that it could write into.
NAMES: dict[str, tuple[str, ...]] = {
    "an absolute path": ("{}/hostile",),
    # To beside its folder, its parent, and so on: how deep a receiver writes is its own choice.
    "a way out": tuple("../" * up + "hostile" for up in range(1, 5)),
    "a way out from within": ("data/../../../hostile",),
    "a backslash": ("..\\hostile",),
    "a control character": ("host\x07ile",),
    "1,500 folders": ("d/" * 1_500 + "hostile",),
    "256 bytes": ("h" * 256,),
    "a file that is a folder": ("hostile", "hostile/hostile"),
}
# In a game's root, not below `local/`.
RESERVED: dict[str, tuple[str, ...]] = {
    "a reserved name": (".lanspread/hostile",),
    "a reserved name in capitals": ("LOCAL/hostile",),
}
GAMES = (
    "alienswarm", "bf1942", "bfbc2", "cnc4", "cnctw", "cod2", "cod5", "cod6", "coh", "css",
)  # fmt: skip


@scenario(
    "S62",
    name="Hostile names in manifests",
    proves="A source's manifests have names that are absolute, lead out, are reserved, 1,500 "
    "folders deep, 256 bytes long, no names or a file and a folder at once: each download fails "
    "with a code, nothing is written anywhere; the peer starts again and downloads from others",
)
def hostile_manifests(lan: Lan) -> None:
    raw, honest, client = strangers_and_peers(lan)
    offers = dict(zip(GAMES, (NAMES | RESERVED).items(), strict=True))
    for game_id, (_, names) in offers.items():
        files = {name.format(client.games.parent): CONTENT for name in names}
        raw.offer(game_id, files={**files, "version.ini": catalog_version(game_id).encode()})
    meets(raw, client, *offers)
    ends = {}
    for game_id, (what, _) in offers.items():
        lan.step(what)
        ends[what] = outcome(client.download(game_id, install=False))
    want = dict.fromkeys(ends, ("download-failed", "no-usable-source"))
    lan.check.equal("how each download ends", ends, want)
    lives_on(lan, honest, client)


@scenario(
    "S83",
    name="Hostile names in streams",
    proves="A source's streams have entries whose names are absolute, lead out, are 1,500 folders "
    "deep, 256 bytes long, no names or a file and a folder at once: each streamed install fails "
    "with a code, nothing is written anywhere; the peer starts again and installs from others",
)
def hostile_streams(lan: Lan) -> None:
    raw, honest, client = strangers_and_peers(lan)
    offers = dict(zip(GAMES, NAMES.items(), strict=False))
    for game_id, (_, names) in offers.items():
        entries = [(name.format(client.games.parent), CONTENT) for name in names]
        raw.offer(game_id, entries=entries)
    meets(raw, client, *offers)
    ends = {}
    for game_id, (what, _) in offers.items():
        lan.step(what)
        ends[what] = outcome(client.stream_install(game_id))
    want = dict.fromkeys(ends, ("download-failed", "unsafe-name"))
    want["a file that is a folder"] = ("download-failed", "duplicate-name")
    lan.check.equal("how each stream ends", ends, want)
    lives_on(lan, honest, client)


LONG = 1 << 60  # bytes; larger than any file


@scenario(
    "S98",
    name="Source that only hashes",
    proves="One of two sources keeps reporting that it is hashing and never finishes: it is "
    "dropped and banned, and the other one serves the download; with that source alone a cancel "
    "works at once, and without one the download fails and leaves nothing",
)
def only_hashes(lan: Lan) -> None:
    raw, honest, client = strangers_and_peers(lan)
    raw.offer("bf1942", hashes={"get-digest": (1, LONG)})
    meets(raw, client, "bf1942")
    lan.step("it is the only one, and the user cancels")
    download = client.download("bf1942", install=False)
    raw.is_asked("bf1942")
    download.cancel()
    download.close()
    lan.step("it is the only one, and the user waits")
    download = client.download("bf1942", install=False)
    ended = download.failed_or_gone()
    lan.check.equal("sources banned", len(download.events("source-banned")), 1)
    lan.check.equal("the client's folder", sorted(tree(client.games)), [])
    download.close()

    lan.step("an honest one beside it")
    liar = lan.raw_client("again")
    # It reports progress, but beyond the total that it announced.
    liar.offer("ggoo", hashes={"get-digest": (MIB, 4 * MIB)})
    meets(liar, client, "ggoo")
    client.connect(honest)
    download = client.download("ggoo", install=False)
    download.finished()
    lan.evidence(f"alone: cancelled, then {ended.name}; beside an honest one: {download.told()}")


# A large game: at first the source looks for the files, and says 0 of 0.
HASHED = [(0, 0), (0, 0), *((step * MIB, 8 * MIB) for step in range(1, 9))]


@scenario(
    "S78",
    name="Source that hashes for long",
    proves="The only source of a game first looks for its files, which it reports as 0 of 0 bytes "
    "hashed, and then hashes for longer than the stall timeout, with progress: the client waits "
    "for it and downloads",
)
def hashes_for_long(lan: Lan) -> None:
    raw = lan.raw_client()
    [client] = lan.start(peer("client", flags=["--stall-timeout", "2"]))
    version = catalog_version("bf1942").encode()
    raw.offer("bf1942", files={"a.bin": CONTENT, "version.ini": version}, news=HASHED)
    meets(raw, client, "bf1942")
    download = client.download("bf1942", install=False)
    download.finished()
    lan.evidence(f"{len(HASHED)} reports, then {download.told()}")


@scenario(
    "S84",
    name="Hashing beside a digest",
    proves="The catalog has a game's digest. Two sources claim to hash for years, and one matches "
    "the digest, but then hashes instead of sending its manifest: a download of that game "
    "from an honest source waits for none of them for long",
)
def hashing_beside_a_digest(lan: Lan) -> None:
    # Before the peers, so that they are the first in (IP, port) order.
    slow = [lan.raw_client("slow"), lan.raw_client("slower")]
    twice = lan.raw_client("twice")
    [honest] = lan.start(peer("honest", "fixture-alpha"))
    catalog = lan.catalog(digest_of=honest.root("ggoo"))
    [client] = lan.start(peer("client", flags=["--catalog-db", catalog]))
    names = ("ggoo.eti", "version.ini")
    files = {name: (honest.root("ggoo") / name).read_bytes() for name in names}
    for liar in slow:
        liar.offer("ggoo", hashes={"get-digest": (MIB, LONG)})
    twice.offer("ggoo", files=files, hashes={"get-manifest": (MIB, LONG)})
    for liar in (*slow, twice):
        meets(liar, client, "ggoo")
    client.connect(honest)
    download = client.download("ggoo", install=False)
    download.finished()
    lan.check.equal("sources banned", len(download.events("source-banned")), 1)
    lan.evidence(f"{download.told()} from honest")


ENDLESS = ("empty-frames", "tiny-frames", "tiny-records")


@scenario(
    "S99",
    name="Streams without end",
    proves="Three sources start a stream and then send empty frames, one-byte frames, or "
    "one-byte records, without end: each is dropped and banned, what came is deleted, and the "
    "game is installed from the fourth",
)
def streams_without_end(lan: Lan) -> None:
    # Before the peers, so that they are the first in (IP, port) order.
    liars = [lan.raw_client(kind) for kind in ENDLESS]
    honest, client = lan.start(
        peer("honest", [made_game("bf1942", 3 * MIB, "S99")]), peer("client")
    )
    for kind, liar in zip(ENDLESS, liars, strict=True):
        liar.offer("bf1942", endless=kind)
        meets(liar, client, "bf1942")
    client.connect(honest)
    stream = client.stream_install("bf1942")
    stream.installed()
    begun = [event.data["sources"][0]["peer_id"] for event in stream.events("download-begin")]
    lan.check.given("the liars were asked first", len(begun) == len(liars) + 1)
    banned = [event.data.get("peer_id") for event in stream.events("source-banned")]
    lan.check.equal("who is banned", banned, begun[:-1])
    entries = read_headers(honest.root("bf1942") / "bf1942.eti").entries
    installed = tree(client.root("bf1942") / "local").items()
    files = {path for path, entry in installed if entry.kind == "file"}
    lan.check.equal("what is installed", files, {entry.name for entry in entries})
    lan.evidence(f"{len(banned)} endless streams given up, then {stream.told()}")


def strangers_and_peers(lan: Lan) -> tuple[RawClient, Peer, Peer]:
    """Return a raw client, an honest peer with its own games, and a client without games."""
    raw = lan.raw_client()
    honest, client = lan.start(peer("honest", "fixture-alpha"), peer("client"))
    return raw, honest, client


def meets(raw: RawClient, client: Peer, *games: str) -> None:
    """Let a raw client advertise these games, which it offers, to a peer."""
    window = client.window()
    session = raw.dial(client)
    session.advertise(*(advertised(game_id, catalog_version(game_id)) for game_id in games))
    window.wait_event(
        "remote-library-changed", game_count=len(games), what=f"{client} learns of hostile games"
    )


def outcome(download: Download) -> tuple[str, str]:
    """Wait until a download ends; return the event and the code."""
    ended = download.window.wait_event(
        "download-failed", "download-peers-gone", "download-finished", game_id=download.game_id
    )
    return ended.name, str(ended.data.get("code"))


def lives_on(lan: Lan, honest: Peer, client: Peer) -> None:
    """Check that nothing was written, and that the peer works after a restart."""
    lan.check.equal("the client's folder", sorted(tree(client.games)), [])
    lan.check.equal("the client's games", client.local(), [])
    beside = sorted(path.name for path in client.games.parent.iterdir())
    lan.check.equal("what lies beside the games", beside, ["games", "state"])
    client.shutdown()
    lan.step("it starts again")
    again = lan.restart(client)
    lan.check.equal("its games then", again.local(), [])
    again.connect(honest)
    download = again.download("ggoo", install=False)
    download.finished()
    lan.check.equal("its games at last", again.local(), [local_row(again.root("ggoo"))])
    lan.evidence(f"nothing written by any; then {download.told()}")
