"""What is typed at a live node, and the JSON it becomes."""

from typing import Any

import pytest

from headless.schema import json_schema
from peer_cli.messages import VOCABULARY
from scenarios.families.lan_spread.live import LIVE_PEER
from scenarios.live.short_forms import (
    NotUnderstoodError,
    completions,
    forms_from_schema,
    help_lines,
    to_message,
)

SCHEMA: dict[str, Any] = {
    "commands": {
        "status": {"type": "object", "properties": {}, "description": "Who this\n    peer is."},
        "list-peers": {"type": "object", "properties": {}},
        "list-games": {"type": "object", "properties": {}},
        "connect": {"$ref": "#/$defs/Connect"},
        "wait-peers": {
            "properties": {"count": {"type": "integer"}, "timeout_ms": {"type": "integer"}},
            "required": ["count", "timeout_ms"],
        },
        "download": {
            "properties": {"game_id": {"type": "string"}, "install": {"type": "boolean"}},
            "required": ["game_id"],
        },
        "cancel-download": {"properties": {"game_id": {"type": "string"}}, "required": ["game_id"]},
        "set-limits": {
            "properties": {
                "upload": {
                    "anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}],
                    "default": None,
                },
                "download": {"type": ["string", "null"], "default": None},
            },
        },
        "shutdown": {"type": "object", "properties": {}},
    },
    "$defs": {"Connect": {"properties": {"addr": {"type": "string"}}, "required": ["addr"]}},
}
FORMS = forms_from_schema(SCHEMA, LIVE_PEER.nicknames)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("status", {"cmd": "status"}),
        ("  STATUS ", {"cmd": "status"}),
        ("sta", {"cmd": "status"}),
        ("peers", {"cmd": "list-peers"}),
        ("games", {"cmd": "list-games"}),
        ("quit", {"cmd": "shutdown"}),
        ("connect 127.0.0.2:4000", {"cmd": "connect", "addr": "127.0.0.2:4000"}),
        ("wait-peers 2 500", {"cmd": "wait-peers", "count": 2, "timeout_ms": 500}),
        ("download ggoo", {"cmd": "download", "game_id": "ggoo"}),
        ("download ggoo --no-install", {"cmd": "download", "game_id": "ggoo", "install": False}),
        ("download --install 'a b'", {"cmd": "download", "game_id": "a b", "install": True}),
        ("cancel ggoo", {"cmd": "cancel-download", "game_id": "ggoo"}),
        ("set-limits 80MiB none", {"cmd": "set-limits", "upload": "80MiB", "download": None}),
        ("set-limits --download=1MiB", {"cmd": "set-limits", "download": "1MiB"}),
        ("set-limits --download 1MiB", {"cmd": "set-limits", "download": "1MiB"}),
        ('{"cmd": "x", "id": 7}', {"cmd": "x", "id": 7}),
    ],
)
def test_lines_that_are_understood(line: str, message: dict[str, Any]) -> None:
    assert to_message(line, FORMS) == message


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "Type a command"),
        ("dance", r"no command dance\. Type help"),
        ("list", r"Did you mean list-games or list-peers\?"),
        ("connect", r"addr is missing\. Usage: connect ADDR"),
        ("wait-peers two 500", "count must be a number, not two"),
        ("download a b", r"b is one too many\. Usage: download GAME_ID \[--\[no-\]install\]"),
        ("download a --fast", "download has no option --fast"),
        ("download a --install=yes", "no option --install=yes"),
        ("set-limits --upload", "--upload needs a value"),
        ("download 'a", "quotes do not match"),
        ('{"cmd": ', "looks like JSON but is not"),
    ],
)
def test_lines_that_are_not_understood(line: str, complaint: str) -> None:
    with pytest.raises(NotUnderstoodError, match=complaint):
        to_message(line, FORMS)


def test_help_names_every_command_and_its_nicknames() -> None:
    lines = dict(help_lines(FORMS))
    assert len(lines) == len(SCHEMA["commands"])
    assert lines["status"] == "Who this peer is."
    assert lines["shutdown"].strip() == "Also: quit, exit."
    assert "set-limits [UPLOAD] [DOWNLOAD]" in lines


def test_completions() -> None:
    assert completions("s", FORMS) == ["set-limits", "shutdown", "status"]
    assert completions("ca", FORMS) == ["cancel", "cancel-download"]


def test_forms_of_the_real_peer() -> None:
    schema = json_schema(VOCABULARY)
    forms = forms_from_schema(schema, LIVE_PEER.nicknames)
    assert to_message("connect 127.0.0.2:4000", forms)["addr"] == "127.0.0.2:4000"
    assert to_message("play css Ada german", forms) == {
        "cmd": "play",
        "game_id": "css",
        "username": "Ada",
        "language": "german",
    }
    assert to_message("set-limits 80MiB none", forms)["download"] is None
