import json
from typing import Any

import msgspec
import pytest

from headless.dispatch import LineDecoder, Request
from headless.envelope import (
    Command,
    CommandError,
    Empty,
    ErrorLine,
    EventLine,
    JsonScalar,
    ResultLine,
    Shutdown,
)
from peer_cli import messages
from peer_cli.messages import VOCABULARY

COMMANDS = VOCABULARY.commands()
decode_line = LineDecoder(VOCABULARY).decode

EXAMPLES: list[tuple[dict[str, Any], Command]] = [
    ({"cmd": "status"}, messages.Status()),
    ({"cmd": "list-peers"}, messages.ListPeers()),
    ({"cmd": "list-games"}, messages.ListGames()),
    (
        {"cmd": "connect", "addr": "127.0.0.2:4000"},
        messages.Connect(addr="127.0.0.2:4000"),
    ),
    (
        {"cmd": "wait-peers", "count": 2, "timeout_ms": 500},
        messages.WaitPeers(count=2, timeout_ms=500),
    ),
    ({"cmd": "download", "game_id": "g"}, messages.Download(game_id="g", install=True)),
    (
        {"cmd": "download", "game_id": "g", "install": False},
        messages.Download(game_id="g", install=False),
    ),
    ({"cmd": "stream-install", "game_id": "g"}, messages.StreamInstall(game_id="g")),
    ({"cmd": "cancel-download", "game_id": "g"}, messages.CancelDownload(game_id="g")),
    ({"cmd": "install", "game_id": "g"}, messages.Install(game_id="g")),
    ({"cmd": "uninstall", "game_id": "g"}, messages.Uninstall(game_id="g")),
    ({"cmd": "remove", "game_id": "g"}, messages.Remove(game_id="g")),
    (
        {"cmd": "play", "game_id": "g", "username": "u", "language": "de"},
        messages.Play(game_id="g", username="u", language="de"),
    ),
    ({"cmd": "set-games-dir", "path": "/x"}, messages.SetGamesDir(path="/x")),
    ({"cmd": "set-game-dir", "path": "/x"}, messages.SetGamesDir(path="/x")),
    ({"cmd": "set-limits"}, messages.SetLimits(upload=None, download=None)),
    (
        {"cmd": "set-limits", "upload": "80MiB", "download": 4096},
        messages.SetLimits(upload="80MiB", download=4096),
    ),
    ({"cmd": "set-limits", "upload": None}, messages.SetLimits(upload=None, download=None)),
    ({"cmd": "shutdown"}, Shutdown()),
]


def error_of(line: bytes) -> tuple[JsonScalar, CommandError]:
    request = decode_line(line)
    assert isinstance(request.command, CommandError)
    return request.id, request.command


def test_the_examples_cover_every_command() -> None:
    assert {type(command) for _, command in EXAMPLES} == set(COMMANDS.values())


@pytest.mark.parametrize(("line", "command"), EXAMPLES, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("key", ["cmd", "command"])
def test_every_command_decodes_under_both_keys(
    line: dict[str, Any], command: Command, key: str
) -> None:
    renamed = {key if name == "cmd" else name: value for name, value in line.items()}
    request = decode_line(json.dumps({"id": "x", **renamed}).encode())
    assert request == Request("x", command)


@pytest.mark.parametrize(
    "request_id", [None, "", "ä", 0, -1, 1.5, True, False, 1 << 63, 12345678901234567890123]
)
def test_any_scalar_id_is_echoed_as_it_is(request_id: JsonScalar) -> None:
    request = decode_line(json.dumps({"cmd": "status", "id": request_id}).encode())
    assert request.id == request_id
    assert type(request.id) is type(request_id)
    reply = msgspec.json.encode(ResultLine(id=request.id, data=Empty()))
    assert json.loads(reply)["id"] == request_id


def test_a_command_without_id_has_the_id_null() -> None:
    assert decode_line(b'{"cmd":"status"}').id is None


@pytest.mark.parametrize("end", [b"\r", b" ", b"\t"])
def test_white_space_around_the_object_does_not_matter(end: bytes) -> None:
    assert decode_line(end + b'{"cmd":"status"}' + end).command == messages.Status()


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (b"", "bad-json", "Expected one JSON object"),
        (b"hello", "bad-json", "Expected one JSON object"),
        (b'{"cmd":"status"', "bad-json", "Expected one JSON object"),
        (b'{"cmd":"status"} x', "bad-json", "Expected one JSON object"),
        (b'{"cmd":"status","id":NaN}', "bad-json", "Expected one JSON object"),
        (b'{"cmd":"status","id":1e999}', "bad-json", "Expected one JSON object"),
        (b'{"cmd":"st\xff"}', "bad-json", "Expected one JSON object"),
        (b'{"cmd":"\\ud800"}', "bad-json", "Expected one JSON object"),
        (b"\x00", "bad-json", "Expected one JSON object"),
        (b"\xff\xfe", "bad-json", "Expected one JSON object"),
        (b"[" * 100_000, "bad-json", "Expected one JSON object"),
        (b'{"id":' + b"9" * 5000 + b"}", "bad-json", "Expected one JSON object"),
        (b"[]", "bad-request", "got list"),
        (b'"status"', "bad-request", "got str"),
        (b"null", "bad-request", "got NoneType"),
        (b"7", "bad-request", "got int"),
        (b'{"cmd":"status","id":[1]}', "bad-request", "`id` must be a JSON scalar"),
        (b'{"cmd":"status","id":{}}', "bad-request", "`id` must be a JSON scalar"),
    ],
)
def test_a_line_without_a_usable_object_is_refused_with_id_null(
    line: bytes, code: str, text: str
) -> None:
    request_id, error = error_of(line)
    assert (request_id, error.code) == (None, code)
    assert text in str(error)


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ({}, "bad-request", '"cmd"'),
        ({"cmd": None}, "bad-request", '"cmd"'),
        ({"cmd": 5}, "bad-request", '"cmd"'),
        ({"cmd": "status", "command": "status"}, "bad-request", '"cmd"'),
        ({"cmd": "fly"}, "unknown-command", "'fly'; expected one of: status, list-peers"),
        ({"cmd": "Status"}, "unknown-command", "'Status'"),
        ({"cmd": ""}, "unknown-command", "expected one of"),
        ({"cmd": "connect"}, "bad-argument", "Bad arguments of connect: .*`addr`"),
        ({"cmd": "connect", "addr": 5}, "bad-argument", r"Expected `str`, got `int`.*\$.addr"),
        ({"cmd": "wait-peers", "count": 1}, "bad-argument", "`timeout_ms`"),
        (
            {"cmd": "wait-peers", "count": "1", "timeout_ms": 1},
            "bad-argument",
            r"Expected `int`, got `str`.*\$.count",
        ),
        ({"cmd": "wait-peers", "count": 1.5, "timeout_ms": 1}, "bad-argument", r"\$.count"),
        ({"cmd": "wait-peers", "count": -1, "timeout_ms": 1}, "bad-argument", r"\$.count"),
        ({"cmd": "wait-peers", "count": 1, "timeout_ms": -1}, "bad-argument", r"\$.timeout_ms"),
        ({"cmd": "wait-peers", "count": 1, "timeout_ms": 10**400}, "bad-argument", "timeout_ms"),
        ({"cmd": "download"}, "bad-argument", "`game_id`"),
        ({"cmd": "download", "game_id": None}, "bad-argument", "Expected `str`, got `null`"),
        ({"cmd": "download", "game_id": "g", "install": 1}, "bad-argument", "Expected `bool`"),
        ({"cmd": "set-limits", "upload": 1.5}, "bad-argument", r"\$.upload"),
        ({"cmd": "set-limits", "upload": []}, "bad-argument", r"\$.upload"),
        ({"cmd": "play", "game_id": "g", "username": "u"}, "bad-argument", "`language`"),
        ({"cmd": "status", "verbose": True}, "bad-argument", "unknown field `verbose`"),
    ],
)
def test_a_bad_command_is_refused_and_its_id_echoed(
    message: dict[str, Any], code: str, text: str
) -> None:
    request_id, error = error_of(json.dumps({"id": 17, **message}).encode())
    assert (request_id, error.code) == (17, code)
    with pytest.raises(CommandError, match=text):
        raise error


def test_a_command_name_is_quoted_only_in_part() -> None:
    _, error = error_of(json.dumps({"cmd": "x" * 100_000}).encode())
    assert len(str(error)) < 1000


def test_a_line_of_a_mebibyte_passes_and_one_byte_more_does_not() -> None:
    line = b'{"cmd":"status"}'.ljust(1 << 20)
    assert decode_line(line).command == messages.Status()
    request_id, error = error_of(line + b" ")
    assert (request_id, error.code) == (None, "line-too-long")
    assert "1048576" in str(error)


def test_every_line_of_output_has_the_envelope() -> None:
    result = ResultLine(id=1, data=Empty())
    error = ErrorLine(id="a", error="No.", code="no")
    event = EventLine(
        event="download-cancelled", seq=3, ts=1.5, data=messages.DownloadCancelled(game_id="g")
    )
    lines = [json.loads(msgspec.json.encode(line)) for line in (result, error, event)]
    assert lines == [
        {"type": "result", "id": 1, "data": {}},
        {"type": "error", "id": "a", "error": "No.", "code": "no"},
        {
            "type": "event",
            "event": "download-cancelled",
            "seq": 3,
            "ts": 1.5,
            "data": {"game_id": "g"},
        },
    ]


def test_names_of_commands_and_events_are_those_of_the_contract() -> None:
    assert set(COMMANDS) == {
        "status", "list-peers", "list-games", "connect", "wait-peers", "download",
        "stream-install", "cancel-download", "install", "uninstall", "remove", "play",
        "set-games-dir", "set-limits", "shutdown",
    }  # fmt: skip
    assert set(messages.RESULTS) | {Shutdown} == set(COMMANDS.values())
    events = [event.event for event in messages.EVENTS]
    assert len(set(events)) == len(events)
    assert set(events) >= {
        "local-peer-ready", "local-library-changed", "peer-connected", "peer-disconnected",
        "remote-library-changed", "active-operations-changed", "got-game-files", "download-begin",
        "download-progress", "download-chunk-finished", "download-finished", "download-failed",
        "download-peers-gone", "download-cancelled", "install-begin", "install-finished",
        "install-failed", "uninstall-finished", "uninstall-failed", "remove-finished",
    }  # fmt: skip
