"""Files that are shared and pulled: P1 to P11, P20, P54."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import Pair

KB = 1000
MIB = 1 << 20


@scenario(
    "P1", name="Add and pull",
    proves="a file that one adds is announced to the other with its size, and pulled byte for byte",
)  # fmt: skip
def add_and_pull(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("hello.bin", KB)
    announced = pair.bravo.node.everything().wait_event("file-announced", path="hello.bin")
    pair.check.equal("announced size", announced.data["size"], KB)
    pair.bravo.pulls("hello.bin")
    pair.same("content", pair.bravo, "pulled/hello.bin", pair.alpha, "hello.bin")


@scenario(
    "P2", name="Three files",
    proves="three files, one of them 4 KiB of noise, arrive byte for byte",
)  # fmt: skip
def three_files(pair: Pair) -> None:
    pair.start()
    for seed, (path, size) in enumerate({"a.txt": 10, "b.txt": 200, "noise.bin": 4096}.items()):
        pair.alpha.shares(path, size, seed)
        pair.bravo.pulls(path)
        pair.same(f"content of {path}", pair.bravo, f"pulled/{path}", pair.alpha, path)


@scenario("P3", name="1 MiB", proves="exactly one block arrives byte for byte")
def one_mib(pair: Pair) -> None:
    pair.start()
    pull_of(pair, MIB)


@scenario(
    "P4", name="5 MiB and one byte",
    proves="several blocks, and a last one of one byte, arrive byte for byte",
)  # fmt: skip
def five_mib(pair: Pair) -> None:
    pair.start()
    pull_of(pair, 5 * MIB + 1)


def pull_of(pair: Pair, size: int) -> None:
    """Pull a file of noise from alpha to bravo."""
    pair.alpha.shares("large.bin", size)
    finished = pair.bravo.pulls("large.bin")
    pair.check.equal("bytes as told", finished.data["bytes"], size)
    pair.same("content", pair.bravo, "pulled/large.bin", pair.alpha, "large.bin")


@scenario("P5", name="Both directions", proves="each pulls from the other at the same time")
def both_directions(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("of-alpha.bin", 2 * MIB, seed=1)
    pair.bravo.shares("of-bravo.bin", 2 * MIB, seed=2)
    pulls = pair.alpha.pull("of-bravo.bin"), pair.bravo.pull("of-alpha.bin")
    for pull in pulls:
        pull.finished()
    pair.same("alpha's copy", pair.alpha, "pulled/of-bravo.bin", pair.bravo, "of-bravo.bin")
    pair.same("bravo's copy", pair.bravo, "pulled/of-alpha.bin", pair.alpha, "of-alpha.bin")


@scenario(
    "P6", name="Added twice",
    proves="again unchanged says so and announces nothing; changed is announced anew, and pulled "
    "it is the new content; strict refuses it",
)  # fmt: skip
def added_twice(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("twice.bin", KB, seed=1)
    told = pair.bravo.window()
    again = pair.alpha.add("twice.bin")
    pair.check.equal("unchanged", len(again["unchanged"]), 1)
    pair.alpha.shares("between.bin", KB)  # bravo has been told of everything before it
    pair.alpha.has("twice.bin", KB, seed=2)
    pair.alpha.add("twice.bin")
    changed = told.wait_event("file-changed", path="twice.bin")
    about = told.until(changed).events("file-announced", "file-changed")
    pair.check.equal(
        "what bravo was told",
        [(event.name, event.data["path"]) for event in about],
        [("file-announced", "between.bin"), ("file-changed", "twice.bin")],
    )
    pair.bravo.pulls("twice.bin")
    pair.same("content", pair.bravo, "pulled/twice.bin", pair.alpha, "twice.bin")
    pair.alpha.node.refused("add", path="twice.bin", strict=True, containing="EEXIST")


@scenario(
    "P7", name="Pull of what is not there",
    proves="it is refused with ENOENT, and leaves no file",
)  # fmt: skip
def pull_of_nothing(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("there.bin", KB)
    pair.bravo.node.refused("pull", path="not-there.bin", to="not-there.bin", containing="ENOENT")
    pair.bravo.pulls("there.bin", to="there.bin")
    files = sorted(file.name for file in pair.bravo.folder.host.iterdir())
    pair.check.equal("files of bravo", files, ["there.bin"])


@scenario(
    "P8", name="Lists",
    proves="both lists of both sides are exactly what has been added, folders with all in them",
)  # fmt: skip
def lists(pair: Pair) -> None:
    pair.start()
    for path in ("one.bin", "folder/two.bin", "folder/deep/three.bin", "not-added.bin"):
        pair.alpha.has(path, len(path))
    told = pair.bravo.window()
    for path in ("one.bin", "folder"):
        pair.alpha.add(path)
    for path in ("folder/two.bin", "folder/deep/three.bin"):
        told.wait_event("file-announced", path=path)
    pair.bravo.shares("zwei.bin", KB)
    of_alpha = {path: len(path) for path in ("folder/deep/three.bin", "folder/two.bin", "one.bin")}
    of_bravo = {"zwei.bin": KB}
    pair.check.equal("alpha's own", pair.alpha.listed("local"), of_alpha)
    pair.check.equal("alpha's of bravo", pair.alpha.listed("remote"), of_bravo)
    pair.check.equal("bravo's own", pair.bravo.listed("local"), of_bravo)
    pair.check.equal("bravo's of alpha", pair.bravo.listed("remote"), of_alpha)


@scenario(
    "P9", name="Remove",
    proves="what is removed is gone at the other and cannot be pulled; a copy that was pulled, and "
    "the file itself, stay",
)  # fmt: skip
def remove(pair: Pair) -> None:
    pair.start()
    for path in ("gone.bin", "kept.bin"):
        pair.alpha.shares(path, KB)
    pair.bravo.pulls("gone.bin")
    told = pair.bravo.window()
    pair.alpha.node.request("remove", path="gone.bin")
    told.wait_event("file-removed", path="gone.bin")
    pair.check.equal("what is left", list(pair.bravo.listed("remote")), ["kept.bin"])
    pair.bravo.node.refused("pull", path="gone.bin", to="again.bin", containing="ENOENT")
    pair.same("copy", pair.bravo, "pulled/gone.bin", pair.alpha, "gone.bin")


@scenario(
    "P10", name="Rename",
    proves="the other is told the new name and lists only that; pulled under it, it is the content",
)  # fmt: skip
def rename(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("old.bin", KB)
    content = pair.alpha.sha256("old.bin")
    told = pair.bravo.window()
    pair.alpha.node.request("rename", path="old.bin", to="new.bin")
    renamed = told.wait_event("file-renamed", path="old.bin")
    pair.check.equal("new name", renamed.data["to"], "new.bin")
    pair.check.equal("list", list(pair.bravo.listed("remote")), ["new.bin"])
    pair.bravo.pulls("new.bin")
    pair.check.equal("content", pair.bravo.sha256("pulled/new.bin"), content)


@scenario(
    "P11", name="Errors have types",
    proves="each kind of refusal has its own code, at both sides",
)  # fmt: skip
def error_types(pair: Pair) -> None:
    pair.start()
    pair.alpha.has("folder/one.bin", KB)
    told = pair.bravo.window()
    pair.alpha.add("folder")
    told.wait_event("file-announced", path="folder/one.bin")
    pair.bravo.has("mine.bin", KB, seed=2)
    mine = pair.bravo.sha256("mine.bin")
    codes = {
        "missing": pair.alpha.code_of("add", path="missing.bin"),
        "exists": pair.bravo.code_of("pull", path="folder/one.bin", to="mine.bin"),
        "folder": pair.bravo.code_of("pull", path="folder", to="folder"),
        "own": pair.alpha.code_of("join", fingerprint=pair.alpha.fingerprint),
    }
    pair.check.equal(
        "codes", codes,
        {
            "missing": "no-such-file",
            "exists": "file-exists",
            "folder": "is-a-directory",
            "own": "own-fingerprint",
        },
    )  # fmt: skip
    pair.check.equal("what was there", pair.bravo.sha256("mine.bin"), mine)


@scenario("P20", name="Empty file", proves="it is announced with no bytes, and pulled")
def empty_file(pair: Pair) -> None:
    pair.start()
    pair.alpha.shares("empty", 0)
    finished = pair.bravo.pulls("empty")
    pair.check.equal("bytes as told", finished.data["bytes"], 0)
    pair.same("content", pair.bravo, "pulled/empty", pair.alpha, "empty")


LONG = "n" * 255
NAMES = (
    "åäö ñ ß.bin",
    "日本語/ファイル.bin",
    "смех 😀.bin",
    "a b, c'\".bin",
    LONG,
    f"deep/{'d' * 200}/x",
)


@scenario(
    "P54", name="Unicode and long names",
    proves="names in many scripts, with blanks and quotes, and of 255 bytes are listed exactly and "
    "pulled",
)  # fmt: skip
def names(pair: Pair) -> None:
    pair.start()
    for seed, path in enumerate(NAMES):
        pair.alpha.shares(path, KB, seed)
    pair.check.equal("list", set(pair.bravo.listed("remote")), set(NAMES))
    for number, path in enumerate(NAMES):
        pair.bravo.pulls(path, to=f"pulled/{number}")
    copies = [pair.bravo.sha256(f"pulled/{number}") for number in range(len(NAMES))]
    pair.check.equal("contents", copies, [pair.alpha.sha256(path) for path in NAMES])
    pair.bravo.pulls(LONG, to=LONG)
    pair.same("long target", pair.bravo, LONG, pair.alpha, LONG)
