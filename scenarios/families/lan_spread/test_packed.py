"""Links, versions and attributes in archives: S81."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from pathlib import Path

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import File, catalog_version
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.rar5_made import Made, made_archive
from scenarios.families.lan_spread.specs import peer

PRECISE_NS = 1_234_567_890_123_456_789
RUN, PLAIN = 0o755, 0o644
FILES = (
    Made("bin/game", b"runs\n", mode=RUN, mtime_ns=PRECISE_NS),
    Made("bin/setuid", b"must not be\n", mode=0o4755),
    Made("data/map", b"the first\n", version=1),
    Made("data/map", b"the second\n", version=2),
    Made("data/map", b"the newest one\n"),
    Made("data/linked", hard_link_to="data/map"),
    Made("data/again", reference_to="data/map", mtime_ns=PRECISE_NS + 1),
)
INSTALLED = {
    "bin/game": b"runs\n",
    "bin/setuid": b"must not be\n",
    "data/map": b"the newest one\n",
    "data/linked": b"the newest one\n",
    "data/again": b"the newest one\n",
}
PATCH = (Made("data/map", b"patched\n", mtime_ns=PRECISE_NS), Made("data/new", b"added\n"))
EXECUTABLE = {"bin/game", "bin/setuid"}


@scenario(
    "S81",
    name="Archives as packers make them",
    proves="Hard links and file references become files; of several versions the newest is "
    "installed; a later archive replaces files of an earlier one; executable bits and times in "
    "nanoseconds are kept, set-user-ID is not; by an install and by a streamed install",
)
def archives_as_packers_make_them(lan: Lan) -> None:
    version = {game: catalog_version(game).encode() for game in ("coh", "css")}
    whole, patch = made_archive(*FILES), made_archive(*PATCH)
    source, client, receiver = lan.start(
        peer(
            "source",
            [
                File("coh/coh.eti", whole),
                File("coh/version.ini", version["coh"]),
                File("css/css-1.eti", whole),
                File("css/css-2.eti", patch),
                File("css/version.ini", version["css"]),
            ],
        ),
        peer("client"),
        peer("receiver"),
    )
    unrar = lan.reference_unrar(source.root("coh") / "coh.eti").request("examine")
    lan.check.given("the reference UnRAR finds the archive clean", unrar["clean"])
    client.connect(source)
    receiver.connect(source)

    lan.step("install and streamed install")
    client.download("coh", install=True).installed()
    receiver.stream_install("coh").installed()
    for one in (client, receiver):
        local = one.root("coh") / "local"
        lan.check.equal(f"what is installed at {one}", contents(local), INSTALLED)
        runs = {name for name, mode in modes(local).items() if mode & 0o111}
        lan.check.equal(f"what may be executed at {one}", runs, EXECUTABLE)
        special = {name for name, mode in modes(local).items() if mode & 0o7000}
        lan.check.equal(f"set-user-ID at {one}", special, set())
        times = [(local / name).stat().st_mtime_ns for name in ("bin/game", "data/again")]
        lan.check.equal(f"times at {one}", times, [PRECISE_NS, PRECISE_NS + 1])
        (local / "data/map").write_bytes(b"changed by the game\n")
        linked = (local / "data/linked").read_bytes()
        lan.check.equal(f"a copy at {one} is a file of its own", linked, INSTALLED["data/linked"])

    lan.step("a patch")
    client.download("css", install=True).installed()
    local = client.root("css") / "local"
    want = {**INSTALLED, **{file.name: file.content for file in PATCH}}
    lan.check.equal("what is installed with its patch", contents(local), want)
    lan.evidence(
        f"{len(INSTALLED)} files by install and by stream, checked clean by {unrar['by']}; "
        f"{len(PATCH)} more from a patch"
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of all files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mode & 0o7777
        for path in folder.rglob("*")
        if path.is_file()
    }
