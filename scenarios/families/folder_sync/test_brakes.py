"""Vanished folders: F21."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import shutil

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import OWN, State, differences
from scenarios.families.folder_sync.peers import Peer
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
    for name in ("meanwhile.txt", "29.txt"):
        alpha.save(name, "meanwhile")
        want[name] = alpha.now()[name]
    what = "what others lack while it is away"
    sync.wait_until_alike([charlie], want, what)
    sync.check.equal(what, _lacks(want, alpha, charlie), {})
    sync.step("bravo: the folder is back")
    away.rename(bravo.folder)
    bravo.node.request("resume")
    sync.in_step(alpha, bravo, charlie)
    sync.check.equal("what all lack when it is back", _lacks(want, alpha, bravo, charlie), {})
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
    sync.check.equal("what others lack without its marker", _lacks(want, alpha, bravo), {})
    charlie.shutdown()
    window = bravo.window()
    bravo.node.freeze()
    left = dict(want)
    for n in range(20):
        bravo.delete(f"{n}.txt")
        del left[f"{n}.txt"]
    bravo.node.thaw()
    window.wait_event("halted")
    sync.check.equal("what alpha lacks when 20 of 31 are gone", _lacks(want, alpha), {})
    bravo.node.request("resume")
    sync.all_become([alpha, bravo], left, "what both have on resume", LONG_S)


def _lacks(want: State, *peers: Peer) -> dict[str, list[str]]:
    """Return by peer how its folder differs from this now."""
    return {str(one): found for one in peers if (found := differences(one.now(), want))}
