"""Updates over an older version: S64."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.games import File, Thing, catalog_version, not_served
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

GAME = "bf1942"
OLD_VERSION = "19990101"
MIB = 1 << 20
# At this rate the update takes two seconds; its begin is reported immediately.
RATE = "8MiB"
ENDS_WITHIN_S = 20.0


def version_of(version: str, fill: bytes, size: int) -> list[Thing]:
    """Return a version of the game: a large file in a folder, and small ones beside it."""
    files = {
        "alpha.bin": fill * 1000,
        "data/pak.bin": (fill * size)[:size],
        "zeta.bin": fill * 3000,
        "version.ini": f"{version}\n".encode(),
    }
    return [File(f"{GAME}/{path}", content) for path, content in files.items()]


def row_of(client: Peer) -> list[dict[str, object]]:
    """Return the expected row of the intact old version."""
    size = sum(entry.size for entry in tree(client.root(GAME), not_served).values())
    return [
        {
            "id": GAME, "version": OLD_VERSION, "downloaded": True, "installed": False,
            "availability": "Ready", "size": size,
        }
    ]  # fmt: skip


@scenario(
    "S64",
    name="Failed update",
    proves="A client has an older version. The update fails three times: a folder is "
    "not writable from the beginning, or becomes so later, or its only source is killed. "
    "Each time the older version is intact on disk and in the client's list, and afterwards it is "
    "advertised again. Without a fault the update succeeds, and is served to others",
    needs=[Capability.PERMISSIONS],
)
def failed_update(lan: Lan) -> None:
    new = version_of(catalog_version(GAME), b"new", 16 * MIB)
    source, spare, client, reader = lan.start(
        peer("source", new, upload_limit=RATE),
        peer("spare", new),
        peer("client", [*version_of(OLD_VERSION, b"old", 5 * MIB), File(f"{GAME}/gone.bin", b"")]),
        peer("reader"),
    )
    client.connect(source)
    root = client.root(GAME)
    before, old_row = tree(root, not_served), row_of(client)

    def still_whole(after: str) -> None:
        lan.check.same_tree(f"the old version after {after}", tree(root, not_served), before)
        lan.check.equal(f"the client's games after {after}", client.local(), old_row)

    lan.step("a folder that cannot be written")
    lan.faults.now("data/ is not writable", lambda: (root / "data").chmod(0o555), "client")
    download = client.download(GAME, install=False)
    first = download.failed("write-failed", timeout=ENDS_WITHIN_S)
    download.close()
    still_whole("a folder cannot be written")

    lan.step("a folder that cannot be written any more")
    (root / "data").chmod(0o755)
    download = client.download(GAME, install=False)
    lan.faults.when(
        download.window, "download-begin", do=lambda: (root / "data").chmod(0o555),
        what="data/ is not writable any more",
    ).carried_out()  # fmt: skip
    download.failed("write-failed", timeout=ENDS_WITHIN_S)
    download.close()
    still_whole("a folder is shut")

    lan.step("the only source is killed")
    (root / "data").chmod(0o755)
    download = client.download(GAME, install=False)
    lan.faults.when(
        download.window, "download-begin", do=source.node.kill, what="kill the only source"
    ).carried_out()
    download.failed_or_gone(timeout=ENDS_WITHIN_S)
    download.close()
    still_whole("the source is lost")
    # One who comes now is told at once; news of a change that is over may never be sent.
    client.connect(reader)
    told = [
        (row["id"], row["eti_version"], row["availability"]) for row in reader.advertised_by(client)
    ]
    lan.check.equal("what others are told of it", told, [(GAME, OLD_VERSION, "Ready")])

    lan.step("nothing in the way")
    client.connect(spare)
    window = reader.window()
    download = client.download(GAME, install=False)
    download.finished(timeout=ENDS_WITHIN_S)
    lan.same_game(GAME, client, spare)
    window.wait_event(
        "remote-library-changed", peer_id=client.peer_id, game_count=1,
        what="the reader is told of the new version",
    )  # fmt: skip
    onward = reader.download(GAME, install=False)
    onward.finished(timeout=ENDS_WITHIN_S)
    lan.same_game(GAME, reader, spare)
    lan.evidence(f"{first.data.get('reason')}; at last {download.told()}")
