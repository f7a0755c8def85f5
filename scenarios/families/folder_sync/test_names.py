"""Odd names, links out of the folder, and what is left out: F26, F27, F35."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import os

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync import folders
from scenarios.families.folder_sync.folders import Link, Things, differences, files_of
from scenarios.families.folder_sync.specs import Launch, peer
from scenarios.families.folder_sync.sync import Sync

ODD_NAMES = (
    "new\nline", os.fsdecode(b"\xff\xfe"), "n" * 255, "dots...", "space ", " ", "-rf", "\U0001f600",
    "back\\slash", "COM1", "a:b", "*?", '"', "tab\t", "\x01", "x.sync-conflict-x", "%00",
    "folder\n/inner\n", os.fsdecode(b"\xff/\xff"),
)  # fmt: skip
COMPOSED, DECOMPOSED = "\u00e9.txt", "e\u0301.txt"


@scenario(
    "F26", name="Odd names",
    proves="newlines, bytes that are no UTF-8, 255 bytes, trailing dots, emoji arrive as they are; "
    "names that differ in case or in normal form alone arrive where the disk holds both, and are "
    "refused aloud, with nothing overwritten, where it does not",
)  # fmt: skip
def odd_names(sync: Sync) -> None:
    alpha, bravo, charlie = sync.swarm(
        peer("alpha", {name: f"{n}" for n, name in enumerate(ODD_NAMES)}), "bravo", "charlie"
    )
    bravo.rename("n" * 255, "m" * 255)
    charlie.write("new\nline", "changed")
    sync.in_step(alpha, bravo, charlie)
    [folding] = sync.start(peer("folding", launch=Launch(folds=True)), tracker=sync.the_tracker)
    sync.met(alpha, folding)
    sync.becomes(folding, alpha.now(), "what a disk has that folds names")
    window = folding.window()
    twins = {"Case.txt": "first", COMPOSED: "first", "case.txt": "second", DECOMPOSED: "second"}
    for name, content in twins.items():
        alpha.write(name, content)
        sync.all_become([bravo, charlie], alpha.now(), "names that differ in case or form alone")
    for names in (("Case.txt", "case.txt"), (COMPOSED, DECOMPOSED)):
        window.wait_event("name-clash", where=lambda event: event.data["path"] in names)  # noqa: B023
        there = {name: folding.read(name) for name in folding.now() if name in names}
        either = [{name: twins[name].encode()} for name in names]
        sync.check.contains("which of two names the folding disk has", either, there)


@scenario(
    "F27", name="A folder becomes a link",
    proves="a folder is replaced by a link to elsewhere while others change what is in it: nothing "
    "is written, changed or deleted elsewhere",
)  # fmt: skip
def folder_becomes_link(sync: Sync) -> None:
    things = {f"docs/{n}.txt": f"file {n}" for n in range(5)}
    alpha, bravo, charlie = sync.swarm(peer("alpha", things), "bravo", "charlie")
    elsewhere = bravo.mount.host / "elsewhere"
    folders.fill(elsewhere, {f"{n}.txt": f"elsewhere {n}" for n in range(5)})
    before = folders.state(elsewhere)
    bravo.node.freeze()
    bravo.delete("docs")
    bravo.write("docs", Link("../elsewhere"))
    alpha.save("docs/0.txt", "changed")
    alpha.delete("docs/1.txt")
    alpha.write("docs/new.txt", "new")
    alpha.write("docs/inner/new.txt", "new")
    alpha.rename("docs/2.txt", "docs/renamed.txt")
    sync.becomes(charlie, alpha.now(), "what charlie has")
    bravo.node.thaw()
    sync.in_step(alpha, bravo, charlie)
    found = differences(folders.state(elsewhere), before)
    sync.check.equal("what was changed elsewhere", found, [])
    lost = [name for name in ("docs/0.txt", "docs/new.txt") if not alpha.has(name)]
    sync.check.equal("what is lost", lost, [])


@scenario(
    "F35", name="Left out",
    proves="what `.syncignore` names is neither sent nor deleted, a folder with such a file in it "
    "stays; what it excepts is sent",
)  # fmt: skip
def left_out(sync: Sync) -> None:
    things: Things = {
        ".syncignore": "*.tmp\n!keep.tmp\nbuild/\n/only-here\n",
        "a.txt": "a",
        "a.tmp": "alpha's",
        "keep.tmp": "kept",
        "build/out": "alpha's",
        "deep/build/out": "alpha's",
        "only-here": "alpha's",
        "deep/only-here": "sent",
        "box/b.txt": "b",
    }
    # Bravo has the rules too: a peer without any yet would tell of what it has.
    bravo_s = peer("bravo", {".syncignore": things[".syncignore"], "a.tmp": "bravo's"})
    alpha, bravo, charlie = sync.swarm(peer("alpha", things), bravo_s, "charlie", compare=False)
    bravo.write("box/own.tmp", "bravo's")
    bravo.write("build/out", "bravo's")
    alpha.delete("box")
    sent = (".syncignore", "a.txt", "keep.tmp", "deep/only-here")
    want = {name: digest for name, digest in files_of(alpha.now()).items() if name in sent}
    sync.in_step(alpha, bravo, charlie, compare=False)
    sync.check.equal("what charlie has", files_of(charlie.now()), want)
    names = ("a.tmp", "box/own.tmp", "build/out")
    own = {name: bravo.read(name) for name in names if bravo.has(name)}
    kept = dict.fromkeys(names, b"bravo's")
    sync.check.equal("what bravo has kept", own, kept)
    others = {name: digest for name, digest in files_of(bravo.now()).items() if name not in own}
    sync.check.equal("what else it has", others, want)
