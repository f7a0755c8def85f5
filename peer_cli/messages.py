"""Every command, reply and event of the peer as typed structs.

These types decode what comes in, encode what goes out, and are what `peer-cli schema` prints.
Sizes and offsets are bytes; durations say their unit in the name; addresses are "IP:port".
"""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

MAX_LINE_BYTES = 1 << 20
MAX_WAIT_MS = 24 * 3600 * 1000

Operation: TypeAlias = Literal[
    "Downloading", "StreamInstalling", "Installing", "Uninstalling", "Removing"
]
JsonScalar: TypeAlias = str | int | float | bool | None


class CommandError(Exception):
    """A command that cannot be carried out; becomes its error reply.

    `code` is kebab-case and for programs, the text is a sentence and for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


# --- commands ---------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all commands; the fields of each are its arguments."""

    name: ClassVar[str]


class Status(Command, frozen=True):
    """Who this peer is and what it is doing."""

    name: ClassVar[str] = "status"


class ListPeers(Command, frozen=True):
    """The known peers and their games, raw as advertised."""

    name: ClassVar[str] = "list-peers"


class ListGames(Command, frozen=True):
    """The own library, and what eligible sources offer."""

    name: ClassVar[str] = "list-games"


class Connect(Command, frozen=True):
    """Open a session to the peer at `addr`."""

    name: ClassVar[str] = "connect"
    addr: str


class WaitPeers(Command, frozen=True):
    """Reply once at least `count` peers are known, or fail after `timeout_ms` milliseconds."""

    name: ClassVar[str] = "wait-peers"
    count: Annotated[int, Meta(ge=0)]
    timeout_ms: Annotated[int, Meta(ge=0, le=MAX_WAIT_MS)]


class Download(Command, frozen=True):
    """Download a game from all eligible sources, and install it unless told otherwise."""

    name: ClassVar[str] = "download"
    game_id: str
    install: bool = True


class StreamInstall(Command, frozen=True):
    """Install straight from a source's archives without keeping them."""

    name: ClassVar[str] = "stream-install"
    game_id: str


class CancelDownload(Command, frozen=True):
    """Cancel a download or streamed install; when the reply comes, its files are rolled back."""

    name: ClassVar[str] = "cancel-download"
    game_id: str


class Install(Command, frozen=True):
    """Extract the archives of a downloaded game into `local/`."""

    name: ClassVar[str] = "install"
    game_id: str


class Uninstall(Command, frozen=True):
    """Remove `local/` of a game."""

    name: ClassVar[str] = "uninstall"
    game_id: str


class Remove(Command, frozen=True):
    """Delete the downloaded files of a game that is not installed."""

    name: ClassVar[str] = "remove"
    game_id: str


class Play(Command, frozen=True):
    """Stamp the launch settings at the first play after an install."""

    name: ClassVar[str] = "play"
    game_id: str
    username: str
    language: str


class SetGamesDir(Command, frozen=True):
    """Move to another library."""

    name: ClassVar[str] = "set-games-dir"
    path: str


class SetLimits(Command, frozen=True):
    """Set the transfer limits, e.g. "80MiB" per second or a number of bytes; null means none."""

    name: ClassVar[str] = "set-limits"
    upload: str | int | None = None
    download: str | int | None = None


class Shutdown(Command, frozen=True):
    """Say goodbye to all peers and exit."""

    name: ClassVar[str] = "shutdown"


COMMANDS: dict[str, type[Command]] = {
    command.name: command
    for command in (
        Status, ListPeers, ListGames, Connect, WaitPeers, Download, StreamInstall, CancelDownload,
        Install, Uninstall, Remove, Play, SetGamesDir, SetLimits, Shutdown,
    )
}  # fmt: skip
ALIASES = {"set-game-dir": "set-games-dir"}


# --- values in replies and events ---------------------------------------------------------------


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that is sent."""


class ActiveOperation(Value, frozen=True):
    """A game and what is being done with it."""

    game_id: str
    operation: Operation


class Limits(Value, frozen=True):
    """Bytes per second of all transfers together; null means none."""

    upload: int | None
    download: int | None


class AdvertisedGame(Value, frozen=True):
    """A game as its owner advertises it."""

    id: str
    eti_version: str | None
    availability: str
    downloaded: bool
    installed: bool
    size: int


class PeerRow(Value, frozen=True):
    """A known peer."""

    peer_id: str
    name: str
    addr: str
    game_count: int
    games: list[AdvertisedGame]


class LocalGameRow(Value, frozen=True):
    """A game in the own library."""

    id: str
    version: str | None
    downloaded: bool
    installed: bool
    availability: str
    size: int


class RemoteGameRow(Value, frozen=True):
    """A game that at least one eligible source has."""

    id: str
    peer_count: int
    eti_game_version: str
    size: int


class FileDescription(Value, frozen=True):
    """A file of the agreed manifest; `relative_path` starts with the game id."""

    relative_path: str
    size: int


class SourceRow(Value, frozen=True):
    """A peer that a download may draw from."""

    peer_id: str
    addr: str


class DeliveredRange(Value, frozen=True):
    """Which source delivered which verified bytes of a chunk."""

    peer_id: str
    offset: int
    length: int


class Throughput(Value, frozen=True):
    """Figures of a finished download, from `download-begin` to the last verified byte."""

    bytes: int
    duration_ms: float
    mib_per_s: float
    mbit_per_s: float
    chunks: int


# --- results ------------------------------------------------------------------------------------


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


# --- events -------------------------------------------------------------------------------------


class Event(Value, frozen=True):
    """Base of all events; the fields of each are its `data`."""

    event: ClassVar[str]


class LocalPeerReady(Event, frozen=True):
    """The first event: from here on others can connect."""

    event: ClassVar[str] = "local-peer-ready"
    peer_id: str
    name: str
    addr: str
    protocol: int


class LocalLibraryChanged(Event, frozen=True):
    """The own library, whole, after a change."""

    event: ClassVar[str] = "local-library-changed"
    games: list[LocalGameRow]


class PeerConnected(Event, frozen=True):
    """A peer is known now, or is reached at a new address."""

    event: ClassVar[str] = "peer-connected"
    peer_id: str
    name: str
    addr: str


class PeerDisconnected(Event, frozen=True):
    """A peer is gone, and with it what only it had."""

    event: ClassVar[str] = "peer-disconnected"
    peer_id: str
    name: str
    addr: str
    reason: Literal["goodbye", "connection-lost", "timeout"]


class RemoteLibraryChanged(Event, frozen=True):
    """A peer advertises another library than before."""

    event: ClassVar[str] = "remote-library-changed"
    peer_id: str
    game_count: int


class ActiveOperationsChanged(Event, frozen=True):
    """What is being done now."""

    event: ClassVar[str] = "active-operations-changed"
    active_operations: list[ActiveOperation]


class GotGameFiles(Event, frozen=True):
    """The agreed manifest."""

    event: ClassVar[str] = "got-game-files"
    game_id: str
    file_descriptions: list[FileDescription]


class DownloadBegin(Event, frozen=True):
    """Bytes begin to flow."""

    event: ClassVar[str] = "download-begin"
    game_id: str
    total_bytes: int
    sources: list[SourceRow]


class DownloadProgress(Event, frozen=True):
    """At the start, at the end, and at most every 500 ms between."""

    event: ClassVar[str] = "download-progress"
    game_id: str
    downloaded_bytes: int
    total_bytes: int
    bytes_per_second: float
    active_peer_count: int


class DownloadChunkFinished(Event, frozen=True):
    """A chunk is verified; `peer_id` delivered its last byte, `ranges` says who delivered what."""

    event: ClassVar[str] = "download-chunk-finished"
    game_id: str
    peer_id: str
    peer_addr: str
    relative_path: str
    offset: int
    length: int
    ranges: list[DeliveredRange]


class DownloadFinished(Event, frozen=True):
    """Every byte is verified and committed."""

    event: ClassVar[str] = "download-finished"
    game_id: str
    throughput: Throughput


class DownloadFailed(Event, frozen=True):
    """The download is rolled back; `code` is kebab-case."""

    event: ClassVar[str] = "download-failed"
    game_id: str
    code: str
    reason: str


class DownloadPeersGone(Event, frozen=True):
    """The download failed, and is rolled back, because no source was left."""

    event: ClassVar[str] = "download-peers-gone"
    game_id: str


class DownloadCancelled(Event, frozen=True):
    """The download was cancelled and is rolled back."""

    event: ClassVar[str] = "download-cancelled"
    game_id: str


class InstallBegin(Event, frozen=True):
    """Extraction begins."""

    event: ClassVar[str] = "install-begin"
    game_id: str


class InstallFinished(Event, frozen=True):
    """`local/` is in place."""

    event: ClassVar[str] = "install-finished"
    game_id: str


class InstallFailed(Event, frozen=True):
    """`local/` is as it was before."""

    event: ClassVar[str] = "install-failed"
    game_id: str
    code: str
    reason: str


class UninstallFinished(Event, frozen=True):
    """`local/` is gone."""

    event: ClassVar[str] = "uninstall-finished"
    game_id: str


class UninstallFailed(Event, frozen=True):
    """`local/` could not be removed."""

    event: ClassVar[str] = "uninstall-failed"
    game_id: str
    code: str
    reason: str


class RemoveFinished(Event, frozen=True):
    """The downloaded files are gone."""

    event: ClassVar[str] = "remove-finished"
    game_id: str


class RemoveFailed(Event, frozen=True):
    """The downloaded files could not all be removed; the game is no longer `downloaded`."""

    event: ClassVar[str] = "remove-failed"
    game_id: str
    code: str
    reason: str


EVENTS: tuple[type[Event], ...] = (
    LocalPeerReady, LocalLibraryChanged, PeerConnected, PeerDisconnected, RemoteLibraryChanged,
    ActiveOperationsChanged, GotGameFiles, DownloadBegin, DownloadProgress, DownloadChunkFinished,
    DownloadFinished, DownloadFailed, DownloadPeersGone, DownloadCancelled, InstallBegin,
    InstallFinished, InstallFailed, UninstallFinished, UninstallFailed, RemoveFinished,
    RemoveFailed,
)  # fmt: skip


# --- lines --------------------------------------------------------------------------------------


class ResultLine(Value, frozen=True, tag_field="type", tag="result"):
    """A reply to a command that was carried out or accepted."""

    id: JsonScalar
    data: Result


class ErrorLine(Value, frozen=True, tag_field="type", tag="error"):
    """A reply to a command that was refused."""

    id: JsonScalar
    error: str
    code: str


class EventLine(Value, frozen=True, tag_field="type", tag="event"):
    """An event; `seq` is gapless from 0, `ts` unix seconds."""

    event: str
    seq: int
    ts: float
    data: Any


class Request(msgspec.Struct, frozen=True):
    """A decoded line: a command, or the error it earned, with the id to echo."""

    id: JsonScalar
    command: Command | CommandError


def decode_line(line: bytes) -> Request:
    """Decode one line of stdin. Never raises: what is wrong is in the request."""
    if len(line) > MAX_LINE_BYTES:
        return Request(
            None,
            CommandError("line-too-long", f"The line is over {MAX_LINE_BYTES} bytes long."),
        )
    try:
        message = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Request(
            None,
            CommandError("bad-json", f"Expected one JSON object on the line: {error}."),
        )
    if not isinstance(message, dict):
        kind = type(message).__name__
        return Request(
            None, CommandError("bad-request", f"Expected a JSON object on the line, got {kind}.")
        )
    request_id = message.pop("id", None)
    if request_id is not None and not isinstance(request_id, str | int | float | bool):
        return Request(None, CommandError("bad-request", "`id` must be a JSON scalar."))
    try:
        return Request(request_id, _decode_command(message))
    except CommandError as error:
        return Request(request_id, error)


def _decode_command(message: dict[str, Any]) -> Command:
    names = [message.pop(key) for key in ("cmd", "command") if key in message]
    if len(names) != 1 or not isinstance(names[0], str):
        raise CommandError("bad-request", 'Expected the command\'s name as a string in "cmd".')
    kind = COMMANDS.get(ALIASES.get(names[0], names[0]))
    if kind is None:
        known = ", ".join(COMMANDS)
        raise CommandError(
            "unknown-command", f"Unknown command {names[0][:100]!r}; expected one of: {known}."
        )
    try:
        return msgspec.convert(message, kind)
    except msgspec.ValidationError as error:
        raise CommandError("bad-argument", f"Bad arguments of {names[0]}: {error}.") from None
