"""The peer's replies to commands."""

from headless.envelope import Command, Empty, Value
from peer_cli.messages import commands
from peer_cli.messages.values import (
    ActiveOperation,
    Limits,
    LocalGameRow,
    Operation,
    PeerRow,
    RemoteGameRow,
)


class Accepted(Value, frozen=True):
    """The operation was accepted; a terminal event reports its outcome."""

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


RESULTS: dict[type[Command], type[Value]] = {
    commands.Status: StatusResult,
    commands.ListPeers: ListPeersResult,
    commands.ListGames: ListGamesResult,
    commands.Connect: ConnectResult,
    commands.WaitPeers: WaitPeersResult,
    commands.Download: Accepted,
    commands.StreamInstall: Accepted,
    commands.CancelDownload: Empty,
    commands.Install: Accepted,
    commands.Uninstall: Accepted,
    commands.Remove: Accepted,
    commands.Play: PlayResult,
    commands.SetGamesDir: SetGamesDirResult,
    commands.SetLimits: Limits,
}
