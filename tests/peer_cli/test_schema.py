import json
from typing import Any

import msgspec
import pytest

from headless.envelope import CommandError, Empty, ErrorLine, Event, EventLine, ResultLine, Value
from headless.schema import json_schema
from peer_cli import messages
from peer_cli.messages import VOCABULARY
from tests.peer_cli.json_schema import problems
from tests.peer_cli.test_messages import COMMANDS, EXAMPLES, decode_line

SCHEMA: dict[str, Any] = json.loads(json.dumps(json_schema(VOCABULARY)))
DEFINITIONS = SCHEMA["$defs"]

GAME_ROW = messages.LocalGameRow(
    id="g", version="1", downloaded=True, installed=False, availability="Ready", size=5
)
LOCAL_ONLY = messages.LocalGameRow(
    id="h", version=None, downloaded=False, installed=True, availability="LocalOnly", size=0
)
ACTIVE = messages.ActiveOperation(game_id="g", operation="Downloading")
ADVERTISED = messages.AdvertisedGame(
    id="g", eti_version=None, availability="Ready", downloaded=True, installed=False, size=5
)
PEER_ROW = messages.PeerRow(peer_id="p", name="n", addr="1.2.3.4:5", game_count=1, games=[])
OUTCOME = messages.PlayOutcome(
    already_applied=True,
    account_name_written=False,
    language_written=False,
    persona_name_written=True,
)
ACCEPTED: dict[str, Value] = {
    name: messages.Accepted(game_id="g", operation="Installing")
    for name in ("download", "stream-install", "install", "uninstall", "remove")
}
RESULTS: dict[str, Value] = ACCEPTED | {
    "status": messages.StatusResult(
        peer_id="p",
        name="n",
        addr="1.2.3.4:5",
        active_operations=[ACTIVE],
        active_outbound_transfers={"g": 2},
        limits=messages.Limits(upload=None, download=7),
        uptime_s=0.5,
    ),
    "list-peers": messages.ListPeersResult(
        peers=[msgspec.structs.replace(PEER_ROW, games=[ADVERTISED])]
    ),
    "list-games": messages.ListGamesResult(
        local=[GAME_ROW, LOCAL_ONLY],
        remote=[messages.RemoteGameRow(id="g", peer_count=2, eti_game_version="1", size=9)],
    ),
    "connect": messages.ConnectResult(peer_id="p", addr="1.2.3.4:5"),
    "wait-peers": messages.WaitPeersResult(count=2),
    "play": messages.PlayResult(outcome=OUTCOME),
    "set-games-dir": messages.SetGamesDirResult(path="/x"),
    "set-limits": messages.Limits(upload=1, download=None),
    "cancel-download": Empty(),
    "shutdown": Empty(),
}
FAILURE = {"game_id": "g", "code": "write-failed", "reason": "No."}
EVENTS: list[Event] = [
    messages.LocalPeerReady(peer_id="p", name="n", addr="1.2.3.4:5", protocol=1),
    messages.LocalLibraryChanged(games=[GAME_ROW, LOCAL_ONLY]),
    messages.PeerConnected(peer_id="p", name="n", addr="1.2.3.4:5"),
    messages.PeerDisconnected(peer_id="p", name="n", addr="1.2.3.4:5", reason="goodbye"),
    messages.RemoteLibraryChanged(peer_id="p", game_count=0),
    messages.ActiveOperationsChanged(active_operations=[ACTIVE]),
    messages.GotGameFiles(
        game_id="g",
        file_descriptions=[messages.FileDescription(relative_path="g/a", size=0)],
    ),
    messages.DownloadBegin(
        game_id="g", total_bytes=5, sources=[messages.SourceRow(peer_id="p", addr="1.2.3.4:5")]
    ),
    messages.DownloadProgress(
        game_id="g", downloaded_bytes=1, total_bytes=5, bytes_per_second=0.0, active_peer_count=1
    ),
    messages.DownloadChunkFinished(
        game_id="g",
        peer_id="p",
        peer_addr="1.2.3.4:5",
        relative_path="g/a",
        offset=0,
        length=5,
        ranges=[messages.DeliveredRange(peer_id="p", offset=0, length=5)],
    ),
    messages.DownloadFinished(
        game_id="g",
        throughput=messages.Throughput(
            bytes=5, duration_ms=1.5, mib_per_s=1.0, mbit_per_s=8.0, chunks=1
        ),
    ),
    messages.DownloadFailed(**FAILURE),
    messages.DownloadPeersGone(game_id="g"),
    messages.DownloadCancelled(game_id="g"),
    messages.SourceBanned(game_id="g", peer_id="p", reason="It lies."),
    messages.InstallBegin(game_id="g"),
    messages.InstallFinished(game_id="g"),
    messages.InstallFailed(**FAILURE),
    messages.UninstallFinished(game_id="g"),
    messages.UninstallFailed(**FAILURE),
    messages.RemoveFinished(game_id="g"),
    messages.RemoveFailed(**FAILURE),
]


def line(value: Value) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(value))
    return decoded


def arguments_of(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "cmd"}


@pytest.mark.parametrize("message", [message for message, _ in EXAMPLES], ids=str)
def test_the_schema_takes_every_command_that_the_peer_takes(message: dict[str, Any]) -> None:
    name = messages.ALIASES.get(message["cmd"], message["cmd"])
    assert problems(arguments_of(message), SCHEMA["commands"][name], DEFINITIONS) == []
    assert problems({**message, "cmd": name}, SCHEMA["envelope"]["command"], DEFINITIONS) == []


@pytest.mark.parametrize(
    "message",
    [
        {"cmd": "connect"},
        {"cmd": "connect", "addr": 5},
        {"cmd": "wait-peers", "count": 1.5, "timeout_ms": 1},
        {"cmd": "download", "game_id": "g", "install": "yes"},
        {"cmd": "set-limits", "upload": []},
        {"cmd": "status", "verbose": True},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_peer_refuses(message: dict[str, Any]) -> None:
    assert problems(arguments_of(message), SCHEMA["commands"][message["cmd"]], DEFINITIONS)
    assert isinstance(decode_line(json.dumps(message).encode()).command, CommandError)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_schema_takes_every_result(name: str) -> None:
    result = line(ResultLine(id=1, data=RESULTS[name]))
    assert problems(result, SCHEMA["envelope"]["result"], DEFINITIONS) == []
    assert problems(result["data"], SCHEMA["results"][name], DEFINITIONS) == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.event))
def test_the_schema_takes_every_event(event: Event) -> None:
    told = line(EventLine(event=event.event, seq=0, ts=1.5, data=event))
    assert problems(told, SCHEMA["envelope"]["event"], DEFINITIONS) == []
    assert problems(told["data"], SCHEMA["events"][event.event], DEFINITIONS) == []


def test_every_event_is_tried() -> None:
    assert [type(event) for event in EVENTS] == list(messages.EVENTS)
    assert set(SCHEMA["events"]) == {event.event for event in EVENTS}


def test_every_field_of_an_event_is_required() -> None:
    for event in EVENTS:
        data = line(event)
        for field in data:
            less = {name: value for name, value in data.items() if name != field}
            assert problems(less, SCHEMA["events"][event.event], DEFINITIONS), (event.event, field)


def test_the_schema_takes_an_error_reply_and_no_other() -> None:
    schema = SCHEMA["envelope"]["error"]
    error = line(ErrorLine(id=None, error="No.", code="no"))
    assert problems(error, schema, DEFINITIONS) == []
    assert problems({**error, "type": "result"}, schema, DEFINITIONS)
    assert problems({**error, "id": [1]}, schema, DEFINITIONS)
    assert problems({"type": "error", "id": 1, "error": "No."}, schema, DEFINITIONS)


def test_the_aliases_are_told() -> None:
    assert SCHEMA["aliases"] == {"cmd": ["command"], "set-games-dir": ["set-game-dir"]}


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(SCHEMA)
    used = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert used
    assert used <= set(DEFINITIONS)
