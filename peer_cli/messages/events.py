"""The peer's events."""

from typing import ClassVar, Literal

from headless.envelope import Event
from peer_cli.messages.values import (
    ActiveOperation,
    DeliveredRange,
    FileDescription,
    LocalGameRow,
    SourceRow,
    Throughput,
)


class LocalPeerReady(Event, frozen=True):
    """The first event: from now on other peers can connect."""

    event: ClassVar[str] = "local-peer-ready"
    peer_id: str
    name: str
    addr: str
    protocol: int


class LocalLibraryChanged(Event, frozen=True):
    """This peer's complete library after a change."""

    event: ClassVar[str] = "local-library-changed"
    state_of: ClassVar[tuple[str, ...] | None] = ()
    games: list[LocalGameRow]


class PeerConnected(Event, frozen=True):
    """A peer became known, or has a new address."""

    event: ClassVar[str] = "peer-connected"
    peer_id: str
    name: str
    addr: str


class PeerDisconnected(Event, frozen=True):
    """A peer is gone, and with it the games that only it had."""

    event: ClassVar[str] = "peer-disconnected"
    peer_id: str
    name: str
    addr: str
    reason: Literal["goodbye", "connection-lost", "timeout"]


class RemoteLibraryChanged(Event, frozen=True):
    """A peer advertises a changed library."""

    event: ClassVar[str] = "remote-library-changed"
    state_of: ClassVar[tuple[str, ...] | None] = ("peer_id",)
    peer_id: str
    game_count: int


class ActiveOperationsChanged(Event, frozen=True):
    """The operations that are active now."""

    event: ClassVar[str] = "active-operations-changed"
    active_operations: list[ActiveOperation]


class GotGameFiles(Event, frozen=True):
    """The agreed manifest."""

    event: ClassVar[str] = "got-game-files"
    game_id: str
    file_descriptions: list[FileDescription]


class DownloadBegin(Event, frozen=True):
    """The transfer of bytes starts."""

    event: ClassVar[str] = "download-begin"
    game_id: str
    total_bytes: int
    sources: list[SourceRow]


class DownloadProgress(Event, frozen=True):
    """Progress: at the start, at the end, and at most every 500 ms in between."""

    event: ClassVar[str] = "download-progress"
    state_of: ClassVar[tuple[str, ...] | None] = ("game_id",)
    game_id: str
    downloaded_bytes: int
    total_bytes: int
    bytes_per_second: float
    active_peer_count: int


class DownloadChunkFinished(Event, frozen=True):
    """A chunk is verified; `peer_id` sent its last byte, `ranges` says who sent what."""

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


class SourceBanned(Event, frozen=True):
    """A source delivered wrong bytes, or made no progress.

    It is not asked for this game again until it advertises a change.
    """

    event: ClassVar[str] = "source-banned"
    game_id: str
    peer_id: str
    reason: str


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
    DownloadFinished, DownloadFailed, DownloadPeersGone, DownloadCancelled, SourceBanned,
    InstallBegin, InstallFinished, InstallFailed, UninstallFinished, UninstallFailed,
    RemoveFinished, RemoveFailed,
)  # fmt: skip
