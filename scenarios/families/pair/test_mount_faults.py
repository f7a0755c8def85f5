"""A mount under faults, and under programs that people use: P48 to P50."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import QUICK, Pair
from scenarios.families.pair.peers import Peer

KB = 1000
MIB = 1 << 20
MOUNTS = (Capability.FUSE,)
ENDS_WITHIN_S = 10.0  # every operation on the mount, even for a busy machine


@scenario(
    "P48", name="Away",
    proves="while the other is away every operation on the mount ends within 10 s: what is not "
    "here with EIO, never with a short file, what is here with its bytes; back again it is read",
    needs=MOUNTS,
)  # fmt: skip
def away(pair: Pair) -> None:
    pair.start(flags=QUICK, desks=("bravo",))
    pair.bravo.mounts()
    pair.alpha.shares("unread.bin", 3 * MIB, seed=1)
    pair.alpha.shares("read.bin", KB, seed=2)
    pair.bravo.shares("own.bin", KB, seed=3)
    pair.ok("read before", pair.bravo, "read", path="read.bin")
    told = pair.bravo.window()
    pair.alpha.node.freeze()
    # The first read finds a connection that is silent, the others none.
    first = pair.bravo.tries("read", path="unread.bin")
    told.wait_event("peer-disconnected")
    tried = {
        "another read": pair.bravo.tries("read", path="unread.bin", offset=2 * MIB),
        "what was read": pair.bravo.tries("read", path="read.bin"),
        "own": pair.bravo.tries("read", path="own.bin"),
        "list": pair.bravo.tries("names"),
        "stat": pair.bravo.tries("stat", path="unread.bin"),
        "statfs": pair.bravo.tries("statfs"),
        "write": pair.bravo.tries("write", path="new.bin", size=KB, seed=4),
        "mkdir": pair.bravo.tries("mkdir", path="folder"),
    }
    errors = {"first read": first["errno"], **{what: one["errno"] for what, one in tried.items()}}
    wanted = {**dict.fromkeys(errors, ""), "first read": "EIO", "another read": "EIO"}
    pair.check.equal("errors", errors, wanted)
    longest = max(one["seconds"] for one in (first, *tried.values()))
    pair.check.between("longest in seconds", longest, 0, ENDS_WITHIN_S)
    here = {what: tried[what].get("sha256") for what in ("what was read", "own")}
    pair.check.equal(
        "what is here",
        here,
        {"what was read": pair.alpha.sha256("read.bin"), "own": pair.bravo.sha256("own.bin")},
    )
    told = pair.bravo.window()
    alpha_told = pair.alpha.window()
    pair.alpha.node.thaw()
    told.wait_event("peer-connected")
    again = pair.ok("read again", pair.bravo, "read", path="unread.bin")
    pair.check.equal("content", again["sha256"], pair.alpha.sha256("unread.bin"))
    alpha_told.wait_event("file-announced", path="new.bin")


@scenario(
    "P49", name="Killed with a mount",
    proves="what a killed peer left mounted is released at its next start, and mounted again it is "
    "read; busy it is unmounted only by force",
    needs=MOUNTS,
)  # fmt: skip
def killed_with_mount(pair: Pair) -> None:
    pair.start(desks=("bravo",))
    pair.bravo.mounts()
    pair.alpha.shares("a.bin", KB)
    told = pair.bravo.window()
    pair.faults.now("kill bravo's peer", lambda: pair.bravo.tries("kill"), "bravo")
    dead = pair.bravo.tries("names")["errno"]
    # The system's answer, not the program's: without it there would be nothing to release.
    pair.check.given("a mount is left", dead == "ENOTCONN", f"the mount says {dead!r}")
    pair.bravo.tries("start")
    told.wait_event("pair-ready")
    pair.bravo.status()  # so that it is at work
    pair.check.equal("what was left", pair.bravo.tries("names").get("names"), [])
    pair.bravo.join(pair.relay_url)
    told.wait_event("peer-connected")
    pair.bravo.mounts()
    again = pair.ok("read", pair.bravo, "read", path="a.bin")
    pair.check.equal("content", again["sha256"], pair.alpha.sha256("a.bin"))
    pair.ok("hold", pair.bravo, "hold", path="a.bin")
    pair.bravo.node.refused("unmount", containing="EBUSY")
    pair.bravo.node.request("unmount", lazy=True)
    told.wait_event("unmounted")
    pair.bravo.tries("let-go")


@scenario(
    "P50", name="Programs on both mounts",
    proves="git clones a repository onto one mount and finds it clean through the other; SQLite, "
    "tar, rsync and an editor's save by renaming work; links are refused",
    needs=MOUNTS,
)  # fmt: skip
def programs(pair: Pair) -> None:
    pair.start(desks=("alpha", "bravo"))
    for peer in pair.peers:
        peer.mounts()

    said = {what: ran(pair.bravo, command) for what, command in PROGRAMS.items()}
    pair.check.equal("programs", said, dict.fromkeys(PROGRAMS, ""))
    told = pair.bravo.tries("sqlite", path="one.db", rows=2000)
    database = told["errno"], told.get("rows"), told.get("sound")
    pair.check.equal("database", database, ("", 2000, "ok"))
    pair.bravo.tries("write", path="text", size=KB, seed=1)
    saved = pair.ok("save", pair.bravo, "save", path="text", size=2 * KB, seed=2)
    read = pair.ok("read after save", pair.bravo, "read", path="text")
    pair.check.equal("saved", read["sha256"], saved["sha256"])
    pair.refused("symbolic link", "EPERM", pair.bravo, "symlink", path="link", to="text")
    pair.refused("hard link", "EPERM", pair.bravo, "link", path="link", to="text")
    pair.alpha.node.request("wait-file", path="clone/.git/HEAD", timeout_ms=20_000, timeout=30)
    here = pair.bravo.tries("tree", path="clone").get("paths")
    alpha_sees(pair, "clone", here)
    status = ran(pair.alpha, "git -C clone status --porcelain && git -C clone log --format=%s")
    pair.check.equal("git status", status, "first\n")


# Whose files these are does not matter, and there is no user with a home.
SETTINGS = (
    "export HOME=/tmp GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' "
    "GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; set -e; "
)
MAKES_REPOSITORY = (
    "made=$(mktemp -d); git init -q $made; for n in 1 2 3 4 5; do mkdir $made/$n; "
    "echo text $n >$made/$n/file; done; git -C $made add .; git -C $made commit -qm first; "
)
# They say nothing if all is well.
PROGRAMS = {
    "git": MAKES_REPOSITORY + "git clone -q $made clone; git -C clone status --porcelain",
    "tar": "tar cf clone.tar clone; mkdir out; tar xf clone.tar -C out; diff -r clone out/clone",
    "rsync": "rsync -a clone/ copy; diff -r clone copy",
}


def ran(peer: Peer, command: str) -> str:
    """Run a shell's command on a peer's mount; return what it says, and how it fails if it does."""
    done = peer.tries("run", words=["sh", "-c", SETTINGS + command])
    code = done.get("exit_code", done["errno"])
    said = str(done.get("said", ""))
    return f"exit code {code}: {said}" if code else said


def alpha_sees(pair: Pair, path: str, names: list[str] | None) -> None:
    """Wait until alpha has been told of every one of these files."""
    for name in names or ():
        pair.alpha.node.request("wait-file", path=f"{path}/{name}", timeout_ms=20_000, timeout=30)
