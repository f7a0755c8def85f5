"""The raw nodes of the legacy wire among each other."""

import hashlib
import json

from scenarios.families.folder_sync.folders import Text
from scenarios.families.folder_sync.raw_node import first_message, keepalive
from scenarios.families.folder_sync.sync import Sync

THEN = 1_772_046_425


def test_a_tracker_keeps_one_holder_per_name(sync: Sync) -> None:
    tracker, stranger = sync.raw("tracker").track(), sync.raw("stranger")
    one = stranger.join(tracker.addr)
    wanted = {"a.txt": {"ip": stranger.ip, "port": 8001, "mtime": THEN}}
    assert one.asks(first_message(8001, {"a.txt": THEN})) == json.dumps(wanted) + "\n"
    other = stranger.join(tracker.addr)
    assert json.loads(other.asks(first_message(8002, {"a.txt": THEN}))) == wanted
    newer = stranger.join(tracker.addr)
    wanted["a.txt"] |= {"port": 8003, "mtime": THEN + 1}
    assert json.loads(newer.asks(first_message(8003, {"a.txt": THEN + 1}))) == wanted
    assert json.loads(one.asks(keepalive(8001), single=True)) == wanted
    told = tracker.node.everything()
    last = told.wait_event("peer-said", text='{"port": 8001}\n')
    said = [event.data["text"] for event in told.until(last).events("peer-said")]
    assert said[0] == '{"port": 8001, "files": [{"name": "a.txt", "mtime": 1772046425}]}\n'
    assert len(said) == 4


def test_trackers_that_are_not_honest(sync: Sync) -> None:
    tracker, stranger = sync.raw("tracker").track("gone"), sync.raw("stranger")
    assert stranger.join(tracker.addr).asks(keepalive(1)) == ""
    tracker.behave("scripted", "one\n", "two\n", single=True)
    one = stranger.join(tracker.addr)
    assert [one.asks(keepalive(1)) for _ in range(3)] == ["one\n", "two\n", "two\n"]


def test_a_holder_serves_as_it_is_told(sync: Sync) -> None:
    holder, asker = sync.raw("holder").serve(), sync.raw("asker")
    digest = holder.hold("whole", size=100_000, seed="x")
    got = asker.ask(holder.addr, "whole\n")
    assert (got["header"], got["count"]) == ("Content-Length: 100000\n", 100_000)
    assert got["sha256"] == digest
    holder.hold("short", content="x" * 20, sends=5)
    got = asker.ask(holder.addr, "short\n", single=True)
    assert (got["header"], got["begins"]) == ("Content-Length: 20\n", "xxxxx")
    holder.hold("slow", content="abc", single=True, gap_s=0.01)
    assert asker.ask(holder.addr, "slow\n")["sha256"] == hashlib.sha256(b"abc").hexdigest()
    holder.hold("odd", content="abc", header="Content-Length: -1\n")
    assert asker.ask(holder.addr, "odd\n")["header"] == "Content-Length: -1\n"
    got = asker.ask(holder.addr, "missing\n")
    assert (got["header"], got["ended"]) == ("", "eof")


def test_foreign_peers_converge(sync: Sync) -> None:
    tracker = sync.raw("tracker").track()
    peers = [
        sync.raw(name, {f"{name}.txt": Text(name.encode(), mtime=THEN)}) for name in ("a", "b")
    ]
    for one in peers:
        one.take_part(tracker.addr)
    for one in peers:
        one.node.everything().wait_event("round-finished", files=["a.txt", "b.txt"])
        assert one.folder is not None
        assert (one.folder / "a.txt").read_text() == "a"
        assert (one.folder / "b.txt").stat().st_mtime == THEN
