"""The peer's commands.

Lines of stdin are decoded into these types; `peer-cli schema` prints them.
"""

from typing import Annotated, ClassVar

from msgspec import Meta

from headless.envelope import Command

MAX_WAIT_MS = 24 * 3600 * 1000


class Status(Command, frozen=True):
    """Who this peer is and what it is doing."""

    cmd: ClassVar[str] = "status"


class ListPeers(Command, frozen=True):
    """The known peers and their games, as advertised."""

    cmd: ClassVar[str] = "list-peers"


class ListGames(Command, frozen=True):
    """This peer's library, and what eligible sources offer."""

    cmd: ClassVar[str] = "list-games"


class Connect(Command, frozen=True):
    """Open a session to the peer at `addr`."""

    cmd: ClassVar[str] = "connect"
    addr: str


class WaitPeers(Command, frozen=True):
    """Reply once at least `count` peers are known, or fail after `timeout_ms` milliseconds."""

    cmd: ClassVar[str] = "wait-peers"
    count: Annotated[int, Meta(ge=0)]
    timeout_ms: Annotated[int, Meta(ge=0, le=MAX_WAIT_MS)]


class Download(Command, frozen=True):
    """Download a game from all eligible sources, and install it unless `install` is false."""

    cmd: ClassVar[str] = "download"
    game_id: str
    install: bool = True


class StreamInstall(Command, frozen=True):
    """Install straight from a source's archives without keeping them."""

    cmd: ClassVar[str] = "stream-install"
    game_id: str


class CancelDownload(Command, frozen=True):
    """Cancel a download or streamed install; when the reply comes, its files are rolled back."""

    cmd: ClassVar[str] = "cancel-download"
    game_id: str


class Install(Command, frozen=True):
    """Extract the archives of a downloaded game into `local/`."""

    cmd: ClassVar[str] = "install"
    game_id: str


class Uninstall(Command, frozen=True):
    """Remove `local/` of a game."""

    cmd: ClassVar[str] = "uninstall"
    game_id: str


class Remove(Command, frozen=True):
    """Delete the downloaded files of a game that is not installed."""

    cmd: ClassVar[str] = "remove"
    game_id: str


class Play(Command, frozen=True):
    """Stamp the launch settings at the first play after an install."""

    cmd: ClassVar[str] = "play"
    game_id: str
    username: str
    language: str


class SetGamesDir(Command, frozen=True):
    """Switch to another games folder."""

    cmd: ClassVar[str] = "set-games-dir"
    path: str


class SetLimits(Command, frozen=True):
    """Set the transfer limits, e.g. "80MiB" per second or a number of bytes; null means none."""

    cmd: ClassVar[str] = "set-limits"
    upload: str | int | None = None
    download: str | int | None = None


ALIASES = {"set-game-dir": "set-games-dir"}
