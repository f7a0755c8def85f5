"""What goes out unasked."""

from typing import Any, ClassVar, Literal

from peer_cli.messages.values import (
    ActiveOperation,
    DeliveredRange,
    FileDescription,
    LocalGameRow,
    SourceRow,
    Throughput,
    Value,
)


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


class EventLine(Value, frozen=True, tag_field="type", tag="event"):
    """An event; `seq` is gapless from 0, `ts` unix seconds."""

    event: str
    seq: int
    ts: float
    data: Any
