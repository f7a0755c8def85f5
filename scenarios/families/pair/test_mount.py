"""The other's files as a mounted file system: P12 to P19, P21, P22, P51."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import stat

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import Pair
from scenarios.families.pair.peers import digest, noise

KB = 1000
MIB = 1 << 20
MOUNTS = (Capability.FUSE,)


def mounted(pair: Pair) -> None:
    """Start a pair of which bravo has mounted."""
    pair.start(desks=("bravo",))
    pair.bravo.mounts()


def comes_to_alpha(pair: Pair, path: str, *events: str) -> None:
    """Wait until alpha has been told of a file, and pull it."""
    pair.alpha.node.everything().wait_event(*(events or ("file-announced",)), path=path)
    pair.alpha.pulls(path, to=f"pulled/{path}")


@scenario(
    "P12", name="Read through the mount",
    proves="the other's file is read byte for byte, with its size, from its start and from within",
    needs=MOUNTS,
)  # fmt: skip
def read_through(pair: Pair) -> None:
    mounted(pair)
    pair.alpha.shares("folder/a.bin", 3 * KB)
    told = pair.ok("read", pair.bravo, "read", path="folder/a.bin")
    pair.check.equal("content", told["sha256"], pair.alpha.sha256("folder/a.bin"))
    inner = pair.ok("read of a part", pair.bravo, "read", path="folder/a.bin", offset=KB, count=7)
    pair.check.equal("part", inner["sha256"], digest(noise(3 * KB, 1)[KB : KB + 7]))
    pair.check.equal("size", pair.bravo.tries("stat", path="folder/a.bin").get("size"), 3 * KB)


@scenario(
    "P13", name="Write on the mount",
    proves="a file written there is announced when it is closed, pulled by the other, and lies in "
    "the own folder",
    needs=MOUNTS,
)  # fmt: skip
def write_on(pair: Pair) -> None:
    mounted(pair)
    written = pair.ok("write", pair.bravo, "write", path="new.bin", size=3 * KB, seed=7)
    comes_to_alpha(pair, "new.bin")
    pair.check.equal("at the other", pair.alpha.sha256("pulled/new.bin"), written["sha256"])
    pair.check.equal("in the own folder", pair.bravo.sha256("new.bin"), written["sha256"])


@scenario(
    "P14", name="Modified on the mount",
    proves="bytes changed within a file of one's own are announced, and pulled they are new",
    needs=MOUNTS,
)  # fmt: skip
def modified_on(pair: Pair) -> None:
    mounted(pair)
    pair.bravo.shares("own.bin", 2 * MIB + KB)
    pair.alpha.pulls("own.bin", to="before.bin")
    told = pair.alpha.window()
    pair.ok("write", pair.bravo, "write", path="own.bin", size=KB, seed=7, at=MIB - 500)
    told.wait_event("file-changed", path="own.bin")
    pair.alpha.pulls("own.bin", to="after.bin")
    wanted = bytearray(noise(2 * MIB + KB, 1))
    wanted[MIB - 500 : MIB + 500] = noise(KB, 7)
    pair.check.equal("at the other", pair.alpha.sha256("after.bin"), digest(bytes(wanted)))


@scenario("P15", name="1 MiB through the mount", proves="byte for byte, both ways", needs=MOUNTS)
def one_mib_through(pair: Pair) -> None:
    mounted(pair)
    pair.alpha.shares("from.bin", MIB, seed=1)
    told = pair.ok("read", pair.bravo, "read", path="from.bin")
    pair.check.equal("read", told["sha256"], pair.alpha.sha256("from.bin"))
    written = pair.ok("write", pair.bravo, "write", path="to.bin", size=MIB, seed=2)
    comes_to_alpha(pair, "to.bin")
    pair.check.equal("written", pair.alpha.sha256("pulled/to.bin"), written["sha256"])


@scenario(
    "P16", name="Five written at once",
    proves="five files written at the same time all arrive, each with its own bytes",
    needs=MOUNTS,
)  # fmt: skip
def five_at_once(pair: Pair) -> None:
    mounted(pair)
    names = [f"{number}.bin" for number in range(5)]
    writes = [
        pair.bravo.node.send("desk-write", path=name, size=300 * KB, seed=seed)
        for seed, name in enumerate(names)
    ]
    written = [write.data(30).get("sha256") for write in writes]
    for name in names:
        comes_to_alpha(pair, name)
    arrived = [pair.alpha.sha256(f"pulled/{name}") for name in names]
    pair.check.equal("contents", arrived, written)


@scenario(
    "P17", name="Listing of the mount",
    proves="every folder lists exactly what both share, before and after a change; nothing else",
    needs=MOUNTS,
)  # fmt: skip
def listing(pair: Pair) -> None:
    mounted(pair)
    pair.alpha.shares("a.bin", KB)
    pair.alpha.shares("folder/b.bin", KB)
    pair.bravo.shares("folder/c.bin", KB)
    pair.bravo.has("not-shared.bin", KB)
    listed = [pair.bravo.tries("names", path=path).get("names") for path in ("", "folder")]
    pair.check.equal("names", listed, [["a.bin", "folder"], ["b.bin", "c.bin"]])
    told = pair.bravo.window()
    pair.alpha.node.request("remove", path="folder/b.bin")
    told.wait_event("file-removed", path="folder/b.bin")
    after = pair.bravo.tries("names", path="folder").get("names")
    pair.check.equal("names after a removal", after, ["c.bin"])
    pair.refused("what was removed", "ENOENT", pair.bravo, "read", path="folder/b.bin")


@scenario(
    "P18", name="Removed on the mount",
    proves="a file of one's own that is removed there is gone at the other, and from its folder",
    needs=MOUNTS,
)  # fmt: skip
def unlink_on(pair: Pair) -> None:
    mounted(pair)
    pair.bravo.shares("own.bin", KB)
    told = pair.alpha.window()
    pair.ok("unlink", pair.bravo, "unlink", path="own.bin")
    told.wait_event("file-removed", path="own.bin")
    pair.check.equal("list at the other", pair.alpha.listed("remote"), {})
    pair.check.equal("in the own folder", pair.bravo.sha256("own.bin"), "there is no own.bin")


@scenario(
    "P19", name="Renamed on the mount",
    proves="a rename there is a rename at the other; the content is pulled under the new name",
    needs=MOUNTS,
)  # fmt: skip
def rename_on(pair: Pair) -> None:
    mounted(pair)
    pair.bravo.shares("old.bin", KB)
    content = pair.bravo.sha256("old.bin")
    pair.ok("mkdir", pair.bravo, "mkdir", path="folder")
    told = pair.alpha.window()
    pair.ok("rename", pair.bravo, "rename", path="old.bin", to="folder/new.bin")
    told.wait_event("file-renamed", path="old.bin", to="folder/new.bin")
    pair.check.equal("list at the other", list(pair.alpha.listed("remote")), ["folder/new.bin"])
    pair.alpha.pulls("folder/new.bin", to="pulled.bin")
    pair.check.equal("content", pair.alpha.sha256("pulled.bin"), content)


@scenario(
    "P21", name="Random order", proves="1.8 MiB of noise read in pieces in random order are right",
    needs=MOUNTS,
)  # fmt: skip
def random_order(pair: Pair) -> None:
    mounted(pair)
    pair.alpha.shares("noise.bin", 18 * MIB // 10)
    told = pair.ok("read", pair.bravo, "scatter", path="noise.bin", seed=3, piece=7 * KB)
    pair.check.equal("content", told["sha256"], pair.alpha.sha256("noise.bin"))


@scenario(
    "P22", name="Overwritten",
    proves="by longer and by shorter content, truncated and extended: the other pulls what it is "
    "now, with its mode and its time when those are changed",
    needs=MOUNTS,
)  # fmt: skip
def overwritten(pair: Pair) -> None:
    mounted(pair)
    pair.bravo.shares("own.bin", 2 * KB)

    def pulled_after(what: str, operation: str, **arguments: object) -> None:
        told = pair.alpha.window()
        pair.ok(what, pair.bravo, operation, path="own.bin", **arguments)
        told.wait_event("file-changed", path="own.bin")
        pair.alpha.pulls("own.bin", to=f"{what}.bin")
        pair.same(f"{what}: content", pair.alpha, f"{what}.bin", pair.bravo, "own.bin")

    pulled_after("longer", "write", size=3 * KB, seed=2)
    pulled_after("shorter", "write", size=KB, seed=3)
    pulled_after("truncated", "truncate", size=100)
    pulled_after("extended", "truncate", size=5000)
    wanted = {"longer": 3 * KB, "shorter": KB, "truncated": 100, "extended": 5000}
    sizes = {what: pair.alpha.file(f"{what}.bin").stat().st_size for what in wanted}
    pair.check.equal("sizes", sizes, wanted)
    pulled_after("with another mode", "chmod", mode=0o700)
    pulled_after("with another time", "utime", mtime=10**9)
    files = pair.bravo.file("own.bin"), pair.alpha.file("with another time.bin")
    told_of = {
        str(file.name): (file.stat().st_mode & stat.S_IXUSR, int(file.stat().st_mtime))
        for file in files
    }
    pair.check.equal("mode and time", told_of, dict.fromkeys(told_of, (stat.S_IXUSR, 10**9)))


@scenario(
    "P51", name="Changed without a change of size",
    proves="the next open reads the new content of a file that the other changed, though it is as "
    "large as before",
    needs=MOUNTS,
)  # fmt: skip
def same_size(pair: Pair) -> None:
    mounted(pair)
    pair.alpha.shares("same.bin", MIB + KB, seed=1)
    pair.ok("read before", pair.bravo, "read", path="same.bin")
    told = pair.bravo.window()
    pair.alpha.has("same.bin", MIB + KB, seed=2)
    pair.alpha.add("same.bin")
    told.wait_event("file-changed", path="same.bin")
    after = pair.ok("read after", pair.bravo, "read", path="same.bin")
    pair.check.equal("content", after["sha256"], pair.alpha.sha256("same.bin"))
