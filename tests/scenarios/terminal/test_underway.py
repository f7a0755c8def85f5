"""What runs at this moment."""

import json
from pathlib import Path

from scenarios.families.lan_spread.report.movement import MOVES
from scenarios.terminal.underway import Underway, time_left


def progress(downloaded: int, speed: float, game: str = "ggoo") -> str:
    data = {"game_id": game, "downloaded_bytes": downloaded, "bytes_per_second": speed}
    return node_line("download-progress", data)


def node_line(event: str, data: dict[str, object]) -> str:
    text = json.dumps({"type": "event", "event": event, "seq": 1, "ts": 1.0, "data": data})
    return json.dumps({"at": 1.0, "stream": "out", "text": text}) + "\n"


def test_it_is_read_as_it_is_written(tmp_path: Path) -> None:
    one = Underway("S7", "Two", tmp_path, MOVES)
    one.refresh()
    assert (one.doing, one.alive) == ("starts", set())
    with (
        (tmp_path / "scenario.jsonl").open("w", buffering=1) as story,
        (tmp_path / "bravo-2.jsonl").open("w", buffering=1) as bravo,
    ):
        for node in ("alpha", "bravo#2"):
            story.write(json.dumps({"kind": "node-started", "node": node}) + "\n")
        story.write(json.dumps({"kind": "step", "text": "kill bravo"}) + "\n")
        story.write(json.dumps({"kind": "wait", "what": "alpha: gone"}) + "\n")
        story.write('{"kind": "node-en')
        bravo.write(progress(10, 5.0) + progress(100, 50.0) + progress(7, 3.0, "cnctw"))
        one.refresh()
        assert (one.step, one.doing) == ("kill bravo", "waits for alpha: gone")
        assert one.alive == {"alpha", "bravo#2"}
        assert (one.bytes_moved, one.bytes_per_second) == (107, 53.0)
        story.write('ded", "node": "bravo#2"}\n')
        bravo.write(node_line("download-finished", {"game_id": "ggoo"}))
        bravo.write('{"at": 1.0, "stream": "out", "text": "not \\"download-progress at all"}\n')
        one.refresh()
    assert one.alive == {"alpha"}
    assert (one.bytes_moved, one.bytes_per_second) == (107, 3.0)


def test_time_left() -> None:
    assert time_left([(None, False)], [(None, 3.0)], 2) is None
    assert time_left([(4.0, False), (4.0, False)], [], 2) == 4.0
    assert time_left([(9.0, False), (1.0, False)], [], 2) == 9.0  # no faster than the longest
    assert time_left([(4.0, False), (6.0, True)], [(5.0, 4.0), (5.0, 50.0)], 2) == 4.0 + 6.0
    assert time_left([(None, False)], [(8.0, 8.0)], 1) == 8.0  # as long as the others
