"""The checks of a LAN, always-on and on request, against peers that write what a test wants."""

from pathlib import Path
from typing import Any

import pytest

from scenarios.core.errors import CheckFailed
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.games import (
    game,
)
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer
from tests.scenarios.core.fake_backend import FakeNode
from tests.scenarios.families.lan_spread.fake_lan import (
    BEGIN,
    FILES,
    FINISHED,
    Act,
    FakeLan,
    chunk,
    downloading,
)

# --- always on -----------------------------------------------------------------------------------


def committing(client: Peer, *events: tuple[str, dict[str, Any]], early: bool = False) -> Act:
    """Say the events, and write version.ini right before the last one or before all."""
    said, last = downloading(*events[:-1]), events[-1]

    def act(node: FakeNode, message: dict[str, Any]) -> None:
        root = client.root("g")
        root.mkdir()
        if early:
            (root / "version.ini").write_text("1")
        said(node, message)
        if not early:
            (root / "version.ini").write_text("1")
        node.event(last[0], game_id="g", **last[1])

    return act


def test_a_good_download_passes_all_checks(fake: FakeLan) -> None:
    alpha, client = fake.start("alpha", "client")
    events = (FILES, BEGIN, chunk("alpha", alpha.node.address), FINISHED)
    fake.on["client download"] = committing(client, *events)
    client.download("g").finished()
    # The fake's events all have the stamp 1.5, long before any file.
    assert fake.finish() == ""
    names = {check.what for check in fake.trial.scene.checks if check.kind == "always"}
    assert names >= {
        "always: no chunk finished twice",
        "always: finished bytes are the manifest's",
        "always: version.ini comes last",
        "always: no staging left",
        "always: fixtures unchanged",
    }


def test_a_chunk_twice_is_found(fake: FakeLan) -> None:
    alpha, client = fake.start("alpha", "client")
    twice = [chunk("alpha", alpha.node.address)] * 2
    fake.on["client download"] = committing(client, FILES, BEGIN, *twice, FINISHED)
    client.download("g").finished()
    assert "always: no chunk finished twice:\n  client" in fake.finish()


def test_too_few_bytes_are_found(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = committing(client, FILES, BEGIN, FINISHED)
    client.download("g").finished()
    assert "always: finished bytes are the manifest's:\n  client" in fake.finish()


def test_an_early_version_file_is_found(fake: FakeLan) -> None:
    [client] = fake.start("client")
    failed = ("download-failed", {"code": "write-failed"})
    fake.on["client download"] = committing(client, FILES, BEGIN, failed, early=True)
    client.download("g").failed("write-failed")
    assert "always: version.ini comes last:\n  client" in fake.finish()


def test_the_next_life_of_a_killed_peer_is_not_laid_to_its_charge(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = downloading(FILES, BEGIN)
    client.download("g").begun()
    client.node.kill()
    again = fake.lan.restart(client)
    again.root("g").mkdir()
    (again.root("g") / "version.ini").write_text("1")
    assert fake.finish() == ""


def test_staging_that_is_left_is_found_unless_the_peer_was_killed(fake: FakeLan) -> None:
    client, killed = fake.start("client", "killed")
    for one in (client, killed):
        (one.root("g") / ".lanspread").mkdir(parents=True)
    killed.node.kill()
    found = fake.finish()
    assert "always: no staging left:\n  client left g/.lanspread" in found
    assert "killed left" not in found


def test_a_changed_fixture_is_found(
    fake: FakeLan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fixture-alpha"
    (folder / "g").mkdir(parents=True)
    monkeypatch.setattr(fixtures, "games_dir", lambda name: folder)
    fake.lan.start(peer("alpha", "fixture-alpha"))
    (folder / "g" / "new").touch()
    assert "always: fixtures unchanged:\n  fixture-alpha/g/new was added" in fake.finish()


# --- comparing -----------------------------------------------------------------------------------


def test_the_same_game_is_compared_without_what_is_not_served(fake: FakeLan) -> None:
    bravo, client = fake.lan.start(
        peer("bravo", "fixture-bravo"), peer("client", [game("bfbc2", "fixture-bravo")])
    )
    (client.root("bfbc2") / "local").mkdir()
    fake.lan.same_game("bfbc2", client, bravo)
    (client.root("bfbc2") / "more").touch()
    with pytest.raises(CheckFailed, match="more should not be there"):
        fake.lan.same_game("bfbc2", client, bravo)
    with pytest.raises(CheckFailed, match="there is no folder"):
        fake.lan.same_game("ggoo", client, bravo)


def test_an_install_is_compared_with_what_the_archives_hold(fake: FakeLan) -> None:
    [client] = fake.start("client")
    local = client.root("cnctw") / "local"
    (local / "order").mkdir(parents=True)
    (local / "order" / "first.txt").write_text("first archive payload\n")
    with pytest.raises(CheckFailed, match=r"order/second\.txt is missing"):
        fake.lan.installed_as("cnctw", client, "fixture-multi")
    second = local / "order" / "second.txt"
    second.write_text("second archive payload\n")
    fake.lan.installed_as("cnctw", client, "fixture-multi")
    second.write_text("Second archive payload\n")
    with pytest.raises(CheckFailed, match="other content"):
        fake.lan.installed_as("cnctw", client, "fixture-multi")
