"""The words that scenarios are written in, against peers that say what a test tells them to."""

import json
from typing import Any

import pytest

from scenarios.core.backends.base import OwnAddress, Placed
from scenarios.core.errors import CheckFailed, CommandFailed, UnsupportedCommand, WaitFailed
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.games import (
    File,
    Link,
    Thing,
    Without,
    game,
    made_game,
    served_size,
)
from scenarios.families.lan_spread.raw_client import RawClient, denied
from scenarios.families.lan_spread.specs import peer
from tests.scenarios.core.fake_backend import FakeNode
from tests.scenarios.families.lan_spread.fake_lan import (
    BEGIN,
    FILES,
    FINISHED,
    Act,
    FakeLan,
    addr,
    chunk,
    downloading,
)

# --- starting ------------------------------------------------------------------------------------


def test_a_peer_on_a_fixture_gets_it_read_only(fake: FakeLan) -> None:
    [alpha] = fake.lan.start(peer("alpha", "fixture-alpha", upload_limit="1MiB", flags=["--mdns"]))
    arguments = fake.backend.nodes["alpha"].spec.arguments
    flags = dict(zip(arguments[::2], arguments[1::2], strict=False))
    games, state = flags["--games-dir"], flags["--state-dir"]
    assert isinstance(games, Placed)
    assert isinstance(state, Placed)
    assert games.mount.host == alpha.games == fixtures.games_dir("fixture-alpha")
    assert not games.mount.writable
    assert state.mount.writable
    assert flags["--listen"] == OwnAddress()
    assert arguments[-3:] == ("--upload-limit", "1MiB", "--mdns")


def test_a_peer_on_its_own_folder_gets_what_is_put_there(fake: FakeLan) -> None:
    things: list[Thing] = [
        game("cnc4", "fixture-bravo", version="20150101"),
        game("cod5", "fixture-charlie"),
        Without("cod5/version.ini"),
        made_game("ggoo", 500, "seed"),
        File("cnc4/local/save", b"x"),
        Link("cnc4/link", "../cod5"),
    ]
    [own] = fake.lan.start(peer("own", things))
    assert (own.root("cnc4") / "version.ini").read_text() == "20150101\n"
    source = fixtures.games_dir("fixture-bravo") / "cnc4"
    assert (own.root("cnc4") / "cnc4.eti").read_bytes() == (source / "cnc4.eti").read_bytes()
    assert [path.name for path in own.root("cod5").iterdir()] == ["cod5.eti"]
    assert (own.root("ggoo") / "version.ini").read_text() == "20200721\n"
    assert served_size(own.root("ggoo")) == 509
    assert (own.root("cnc4") / "link").is_symlink()
    assert served_size(own.root("cnc4")) == served_size(source)


def test_a_restarted_peer_keeps_folders_and_gets_a_handle(fake: FakeLan) -> None:
    [bravo] = fake.start("bravo")
    bravo.shutdown()
    again = fake.lan.restart(bravo, new_address=True)
    assert (again.name, again.games, again.state) == ("bravo#2", bravo.games, bravo.state)
    assert again.addr != bravo.addr
    assert fake.finish() == ""


# --- connecting ----------------------------------------------------------------------------------


def met(node: FakeNode, other: FakeNode, count: int) -> None:
    name = other.spec.name
    node.event("peer-connected", peer_id=f"id-{name}", name=name, addr=addr(other))
    if count:
        node.event("remote-library-changed", peer_id=f"id-{name}", game_count=count)


def connecting(fake: FakeLan, *, mutual: bool = True, count: int = 0, claimed: str = "") -> Act:
    def act(node: FakeNode, message: dict[str, Any]) -> None:
        bravo = fake.backend.nodes["bravo"]
        node.result(message["id"], peer_id=claimed or "id-bravo", addr=addr(bravo))
        met(node, bravo, count)
        if mutual:
            met(bravo, node, count)

    return act


def test_connect_waits_for_both_sides(fake: FakeLan) -> None:
    client, bravo = fake.start("client", "bravo")
    fake.games = 2
    fake.on["client connect"] = connecting(fake, count=2)
    client.connect(bravo)


@pytest.mark.parametrize(("mutual", "who"), [(False, "bravo learns of client"), (True, "of the")])
def test_connect_that_one_side_does_not_learn_of(fake: FakeLan, mutual: bool, who: str) -> None:
    client, bravo = fake.start("client", "bravo")
    fake.games = 2
    fake.on["client connect"] = connecting(fake, mutual=mutual, count=1 if mutual else 2)
    with pytest.raises(WaitFailed, match=who):
        client.connect(bravo)


def test_connect_to_one_who_has_another_id(fake: FakeLan) -> None:
    client, bravo = fake.start("client", "bravo")
    fake.on["client connect"] = connecting(fake, claimed="id-mallory")
    with pytest.raises(CheckFailed, match="tells id and address"):
        client.connect(bravo)


# --- downloads -----------------------------------------------------------------------------------


def test_a_download_tells_who_served(fake: FakeLan) -> None:
    alpha, bravo, client = fake.start("alpha", "bravo", "client")
    (client.root("g")).mkdir()
    events = (
        chunk("alpha", alpha.node.address),
        chunk("bravo", bravo.node.address, 5),
        chunk("bravo", "10.9.9.9", 10),
        FINISHED,
    )
    fake.on["client download"] = downloading(FILES, BEGIN, *events)
    download = client.download("g", install=False)
    download.finished()
    assert download.served_by(fake.lan.peers) == {"alpha", "bravo", "id-bravo at 10.9.9.9:4000"}
    sent = json.loads(fake.backend.nodes["client"].received[-1])
    assert (sent["game_id"], sent["install"]) == ("g", False)


def test_a_download_that_fails_ends_the_wait_for_its_end_at_once(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = downloading(("download-failed", {"code": "write-failed"}))
    download = client.download("g")
    with pytest.raises(WaitFailed) as failure:
        download.finished(timeout=1e6)
    assert failure.value.cause == "unexpected-event"
    download.failed("write-failed")
    with pytest.raises(CheckFailed, match="code of the failed download"):
        download.failed("ambiguous-metadata")


def test_a_download_that_finishes_ends_the_wait_for_its_failure_at_once(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = downloading(FINISHED)
    with pytest.raises(WaitFailed) as failure:
        client.download("g").failed("write-failed", timeout=1e6)
    assert failure.value.cause == "unexpected-event"


def test_another_download_does_not_disturb(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = downloading(FINISHED)
    download = client.download("g")
    fake.backend.nodes["client"].event("download-failed", game_id="other")
    download.finished()


def test_a_refused_download_fails(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = lambda node, message: node.error(message["id"], "no-peers", "none")
    with pytest.raises(CheckFailed, match="client accepts download of g: no-peers: none"):
        client.download("g")


def test_a_refusal_has_to_say_the_words(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["client download"] = lambda node, message: node.error(message["id"], "x", "no peers")
    assert client.refuses("download", "no peers", game_id="g").code == "x"
    with pytest.raises(CheckFailed, match="should contain"):
        client.refuses("download", "not in the catalog", game_id="g")


def test_an_unknown_command_is_no_refusal(fake: FakeLan) -> None:
    [client] = fake.start("client")

    def unknown(node: FakeNode, message: dict[str, Any]) -> None:
        node.error(message["id"], "unknown-command", "what?")

    fake.on |= {
        "client download": unknown,
        "raw get-manifest": unknown,
        "raw open-transfer": unknown,
    }
    with pytest.raises(UnsupportedCommand):
        client.refuses("download", "", game_id="g")
    with pytest.raises(UnsupportedCommand):
        client.download("g")
    fake.on["raw dial"] = lambda node, message: node.result(
        message["id"], session=0, peer_id="i", public_key="k"
    )
    session = fake.lan.raw_client().dial(client)
    with pytest.raises(UnsupportedCommand):
        session.manifest_code("g")
    with pytest.raises(UnsupportedCommand):
        session.fetch("g", "1", ("a", 1))


def test_only_a_foreign_peer_may_speak_another_protocol(fake: FakeLan) -> None:
    [client] = fake.start("client")
    fake.on["raw dial"] = lambda node, message: node.error(message["id"], "other-protocol", "TLS?")
    own = fake.lan.raw_client()
    with pytest.raises(CommandFailed) as failed:
        own.dial(client)
    assert not isinstance(failed.value, UnsupportedCommand)
    with pytest.raises(UnsupportedCommand, match=r"client refused `dial` .*TLS\?"):
        RawClient(own.node, foreign=True).dial(client)
    fake.on["raw dial"] = lambda node, message: node.error(message["id"], "bad-proof", "no")
    with pytest.raises(CommandFailed) as refused:
        RawClient(own.node, foreign=True).dial(client)
    assert not isinstance(refused.value, UnsupportedCommand)


def replying(data: dict[str, Any]) -> Act:
    return lambda node, message: node.result(message["id"], **data)


def test_a_raw_client_takes_bytes_although_it_should_get_none(fake: FakeLan) -> None:
    [client] = fake.start("client")
    replies: dict[str, dict[str, Any]] = {
        "dial": {"session": 0, "peer_id": "i", "public_key": "k"},
        "open-transfer": {"ticket": "00"},
        "redeem": {"received": 3, "sha256": "12"},
    }
    for name, data in replies.items():
        fake.on[f"raw {name}"] = replying(data)
    raw: RawClient = fake.lan.raw_client()
    answer = raw.dial(client).fetch("g", "1", ("a", 1))
    assert (answer.denied, answer.received, answer.sha256) == ("", 3, "12")
    assert answer != denied("")
    fake.on["raw open-transfer"] = lambda node, message: node.error(message["id"], "bad-path", "no")
    assert raw.dial(client).fetch("g", "1", ("a", 1)) == denied("bad-path")
