"""What comes in: the commands, and how a line becomes one.

These types decode the lines; `peer-cli schema` prints them.
"""

from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

MAX_LINE_BYTES = 1 << 20
MAX_WAIT_MS = 24 * 3600 * 1000

JsonScalar: TypeAlias = str | int | float | bool | None


class CommandError(Exception):
    """A command that cannot be carried out; becomes its error reply.

    `code` is kebab-case and for programs, the text is a sentence and for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


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
