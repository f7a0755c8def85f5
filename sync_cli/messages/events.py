"""The events of a tracker and a peer. Paths are as `model.path_text` writes them."""

from typing import ClassVar

import msgspec

from headless.envelope import Event
from sync_cli.messages.commands import Role


class SyncReady(Event, frozen=True):
    """The first event. From now on others can connect to `addr`.

    `protocol` is 0 and `peer_id` null on the legacy wire.
    """

    event: ClassVar[str] = "sync-ready"
    role: Role
    peer_id: str | None
    name: str
    addr: str
    protocol: int


class TrackerConnected(Event, frozen=True):
    """This peer has a connection to the tracker. `legacy`: it speaks the legacy wire."""

    event: ClassVar[str] = "tracker-connected"
    addr: str
    legacy: bool


class TrackerLost(Event, frozen=True):
    """The tracker cannot be reached, or the connection ended."""

    event: ClassVar[str] = "tracker-lost"
    reason: str


class PeerConnected(Event, frozen=True):
    """Another peer is connected. A legacy one has no id."""

    event: ClassVar[str] = "peer-connected"
    peer_id: str | None
    name: str
    addr: str


class PeerDisconnected(Event, frozen=True):
    """A peer's connection ended."""

    event: ClassVar[str] = "peer-disconnected"
    peer_id: str | None
    name: str
    addr: str
    reason: str


class IndexChanged(Event, frozen=True):
    """This peer's index changed; `files` is how many files it has now."""

    event: ClassVar[str] = "index-changed"
    state_of: ClassVar[tuple[str, ...] | None] = ()
    files: int


class FetchBegin(Event, frozen=True):
    """A fetch begins. `sources`: ids of peers, or addresses of legacy peers."""

    event: ClassVar[str] = "fetch-begin"
    path: str
    size: int
    sources: list[str]


class FetchProgress(Event, frozen=True):
    """How far a fetch is; at most every 500 ms."""

    event: ClassVar[str] = "fetch-progress"
    state_of: ClassVar[tuple[str, ...] | None] = ("path",)
    path: str
    fetched_bytes: int
    size: int
    sources: list[str]


class FetchFinished(Event, frozen=True):
    """A file is in place under its name. `bytes` came over the network, from these peers.

    `reused_bytes` were here already.
    """

    event: ClassVar[str] = "fetch-finished"
    path: str
    bytes: int
    reused_bytes: int
    sources: list[str] = msgspec.field(name="from")


class FetchFailed(Event, frozen=True):
    """A fetch ended without its file; it is tried again when that makes sense."""

    event: ClassVar[str] = "fetch-failed"
    path: str
    code: str
    reason: str


class SourceDropped(Event, frozen=True):
    """A peer sent wrong bytes, or broke the protocol; it is asked no more until a restart."""

    event: ClassVar[str] = "source-dropped"
    peer_id: str
    reason: str


class FileDeleted(Event, frozen=True):
    """A file, folder or link was deleted here because others deleted it."""

    event: ClassVar[str] = "file-deleted"
    path: str


class FileRenamed(Event, frozen=True):
    """A file got its content from another path here, and nothing was fetched."""

    event: ClassVar[str] = "file-renamed"
    path: str
    source: str


class Conflict(Event, frozen=True):
    """Two versions were made without knowledge of each other. `winner`: id of its author."""

    event: ClassVar[str] = "conflict"
    path: str
    kept_as: str | None
    winner: str


class NameClash(Event, frozen=True):
    """This disk cannot hold that name beside another one."""

    event: ClassVar[str] = "name-clash"
    path: str
    reason: str


class Halted(Event, frozen=True):
    """Nothing is changed or told any more, until the cause is gone or `resume` is given."""

    event: ClassVar[str] = "halted"
    code: str
    reason: str


class LowSpace(Event, frozen=True):
    """There is too little room on the disk for fetches."""

    event: ClassVar[str] = "low-space"
    free_bytes: int


class InStep(Event, frozen=True):
    """Every known peer has what all have."""

    event: ClassVar[str] = "in-step"
    files: int
    bytes: int


EVENTS: tuple[type[Event], ...] = (
    SyncReady,
    TrackerConnected,
    TrackerLost,
    PeerConnected,
    PeerDisconnected,
    IndexChanged,
    FetchBegin,
    FetchProgress,
    FetchFinished,
    FetchFailed,
    SourceDropped,
    FileDeleted,
    FileRenamed,
    Conflict,
    NameClash,
    Halted,
    LowSpace,
    InStep,
)
