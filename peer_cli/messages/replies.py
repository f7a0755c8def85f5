"""What goes out in answer to a command."""

from typing import TypeAlias

from peer_cli.messages.commands import JsonScalar
from peer_cli.messages.values import (
    ActiveOperation,
    Limits,
    LocalGameRow,
    Operation,
    PeerRow,
    RemoteGameRow,
    Value,
)


class Empty(Value, frozen=True):
    """Done, nothing more to say."""


class Accepted(Value, frozen=True):
    """The operation has been accepted; its outcome is an event."""

    game_id: str
    operation: Operation


class StatusResult(Value, frozen=True):
    """Reply to `status`."""

    peer_id: str
    name: str
    addr: str
    active_operations: list[ActiveOperation]
    active_outbound_transfers: dict[str, int]
    limits: Limits
    uptime_s: float


class ListPeersResult(Value, frozen=True):
    """Reply to `list-peers`."""

    peers: list[PeerRow]


class ListGamesResult(Value, frozen=True):
    """Reply to `list-games`."""

    local: list[LocalGameRow]
    remote: list[RemoteGameRow]


class ConnectResult(Value, frozen=True):
    """Reply to `connect`."""

    peer_id: str
    addr: str


class WaitPeersResult(Value, frozen=True):
    """Reply to `wait-peers`: how many are known now."""

    count: int


class PlayOutcome(Value, frozen=True):
    """What `play` wrote."""

    already_applied: bool
    account_name_written: bool
    language_written: bool
    persona_name_written: bool


class PlayResult(Value, frozen=True):
    """Reply to `play`."""

    outcome: PlayOutcome


class SetGamesDirResult(Value, frozen=True):
    """Reply to `set-games-dir`: the library now in use."""

    path: str


Result: TypeAlias = (
    Empty
    | Accepted
    | StatusResult
    | ListPeersResult
    | ListGamesResult
    | ConnectResult
    | WaitPeersResult
    | PlayResult
    | SetGamesDirResult
    | Limits
)
RESULTS: dict[str, type[Value]] = {
    "status": StatusResult,
    "list-peers": ListPeersResult,
    "list-games": ListGamesResult,
    "connect": ConnectResult,
    "wait-peers": WaitPeersResult,
    "download": Accepted,
    "stream-install": Accepted,
    "cancel-download": Empty,
    "install": Accepted,
    "uninstall": Accepted,
    "remove": Accepted,
    "play": PlayResult,
    "set-games-dir": SetGamesDirResult,
    "set-limits": Limits,
    "shutdown": Empty,
}


class ResultLine(Value, frozen=True, tag_field="type", tag="result"):
    """A reply to a command that was carried out or accepted."""

    id: JsonScalar
    data: Result


class ErrorLine(Value, frozen=True, tag_field="type", tag="error"):
    """A reply to a command that was refused."""

    id: JsonScalar
    error: str
    code: str
