"""Install and uninstall: S5, S6."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import local_row
from scenarios.families.lan_spread.specs import peer


@scenario(
    "S5",
    name="Auto-install",
    proves="A download of cnctw finishes and is then installed: `downloaded` and `installed`; the "
    "installed files have the hashes of the archive's entries; the root's files are the source's",
)
def auto_install(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    download = client.download("cnctw")
    installed = download.installed()
    told = ("download-finished", "install-begin", "install-finished")
    lan.check.equal(
        "order of the events", [event.name for event in download.events(*told)], list(told)
    )
    row = local_row(client.root("cnctw"), installed=True)
    lan.check.equal("the client's games", client.local(), [row])
    lan.check.equal("operations afterwards", client.operations(), [])
    lan.installed_as("cnctw", client, "fixture-bravo")
    lan.same_game("cnctw", client, bravo)
    finished = download.finished()
    lan.evidence(
        f"{download.told()}; 3 files of 3 MiB installed {installed.at - finished.at:.3f} s later"
    )


@scenario(
    "S6",
    name="Manual install and uninstall",
    proves="bfbc2 is downloaded without install, then `install`, then `uninstall`: `installed` is "
    "true, then false; `local/` is gone; the root's files are the source's",
)
def manual_install_and_uninstall(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    download = client.download("bfbc2", install=False)
    download.finished()
    root = client.root("bfbc2")
    lan.check.equal("after the download", client.local(), [local_row(root)])
    lan.check.equal("operations before install", client.operations(), [])

    client.install("bfbc2")
    lan.check.equal("after install", client.local(), [local_row(root, installed=True)])
    lan.installed_as("bfbc2", client, "fixture-bravo")
    lan.same_game("bfbc2", client, bravo)

    client.uninstall("bfbc2")
    lan.check.equal("after uninstall", client.local(), [local_row(root)])
    lan.check.true("no local/", not (root / "local").exists())
    lan.same_game("bfbc2", client, bravo)
    lan.check.equal("operations afterwards", client.operations(), [])
    lan.evidence(
        f"{download.told()}; installed with the archive's entries, uninstalled without a trace"
    )
