"""What a node may say does not control the terminal of a live node."""

import json
from pathlib import Path

import pytest

from scenarios.families.lan_spread.family import FAMILY
from scenarios.families.lan_spread.live import LIVE_PEER
from scenarios.live.heard import Heard
from scenarios.live.keyboard import Keyboard

HOSTILE = "\x1b]0;owned\x07\u202egpj.exe\x9b2J\ud800"
CLEAN = "�]0;owned��gpj.exe�2J�"


@pytest.fixture
def keyboard(tmp_path: Path) -> Keyboard:
    return Keyboard("a", tmp_path / "history", FAMILY.words, LIVE_PEER, [], dict, Heard())


def event(event: str, **data: object) -> bytes:
    return json.dumps({"type": "event", "event": event, "data": data}).encode() + b"\n"


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        ("out", event("peer-connected", peer_id="p", name=HOSTILE)),
        ("out", event(HOSTILE, games=[{"id": HOSTILE, "name": HOSTILE, "x": 1}])),
        ("out", event("x", **{HOSTILE: {HOSTILE: [HOSTILE]}})),
        ("out", event("download-progress", game_id=HOSTILE)),
        ("out", json.dumps({"type": "error", "error": HOSTILE, "code": HOSTILE}).encode()),
        ("out", json.dumps({"type": "result", "id": HOSTILE, "data": {}}).encode()),
        ("out", json.dumps({"type": "result", "data": {"rows": [{HOSTILE: HOSTILE}]}}).encode()),
        ("out", json.dumps({"no": HOSTILE}).encode()),
        ("out", b"no JSON \x1b]0;owned\x07\xe2\x80\xaegpj.exe\xc2\x9b2J"),
        ("err", b"a line on stderr \x1b]0;owned\x07\xe2\x80\xaegpj.exe\xc2\x9b2J"),
    ],
    ids=str,
)
def test_a_line_of_a_node_is_shown_without_what_controls_the_terminal(
    keyboard: Keyboard, capsys: pytest.CaptureFixture[str], stream: str, data: bytes
) -> None:
    keyboard.show("err" if stream == "err" else "out", data)
    shown = capsys.readouterr().out
    assert "owned" in shown
    assert not set(shown) & set("\x1b\x07\u202e\x9b\ud800")


def test_a_remark_with_what_a_node_said_is_cleaned(
    keyboard: Keyboard, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard.say(f"Another live node reaches it at {HOSTILE}")
    assert CLEAN in capsys.readouterr().out
