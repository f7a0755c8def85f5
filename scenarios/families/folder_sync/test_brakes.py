"""Vanished folders: F21."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import shutil

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import (
    OWN,
)
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync

MIB = 1 << 20
LONG_S = 60.0


@scenario(
    "F21", name="Vanished folders",
    proves="a folder that is moved away, is emptied with its marker, or loses more than half of "
    "its files at once: its peer halts, and nothing is deleted anywhere; what was lost at once is "
    "deleted on `resume`",
    timeout_s=300,
)  # fmt: skip
def vanished(sync: Sync) -> None:
    things = {f"{n}.txt": f"file {n}" for n in range(30)}
    alpha, bravo, charlie = sync.swarm(peer("alpha", things), "bravo", "charlie")
    want = alpha.now()
    window = bravo.window()
    away = bravo.folder.with_name("away")
    sync.step("bravo: the folder is moved away")
    bravo.folder.rename(away)
    window.wait_event("halted")
    alpha.write("meanwhile.txt", "meanwhile")
    want = alpha.now()
    sync.becomes(charlie, want, "what charlie has while bravo's folder is away")
    sync.check.equal("what others have while it is away", alpha.now(), want)
    sync.step("bravo: the folder is back")
    away.rename(bravo.folder)
    bravo.node.request("resume")
    sync.check.equal("what all have again", sync.in_step(alpha, bravo, charlie), want)
    window = charlie.window()
    sync.step("charlie: the folder is empty, as when a drive is not mounted")
    charlie.folder.rename(charlie.folder.with_name("away"))
    charlie.folder.mkdir()
    window.wait_event("halted")
    charlie.shutdown()
    charlie.folder.rmdir()
    charlie.folder.with_name("away").rename(charlie.folder)
    shutil.rmtree(charlie.folder / OWN)
    charlie.folder.joinpath("0.txt").unlink()
    charlie = sync.restart(charlie)
    charlie.told("halted")
    sync.check.equal("what others have without its marker", alpha.now(), want)
    sync.check.equal("what bravo has then", bravo.now(), want)
    charlie.shutdown()
    window = bravo.window()
    bravo.node.freeze()
    for n in range(20):
        bravo.delete(f"{n}.txt")
    bravo.node.thaw()
    window.wait_event("halted")
    sync.check.equal("what alpha has when 20 of 31 are gone", alpha.now(), want)
    bravo.node.request("resume")
    left = {name: entry for name, entry in want.items() if bravo.has(name)}
    sync.check.equal("files left on resume", len(left), 11)
    sync.becomes(alpha, left, "what alpha has on resume", LONG_S)
