"""The events of a relay and of a peer."""

from typing import ClassVar

from headless.envelope import Event
from pair_cli.messages.values import Health, LossReason, Mode, Side


class RelayReady(Event, frozen=True):
    """The first event of a relay: it answers at `addr`."""

    event: ClassVar[str] = "relay-ready"
    addr: str
    ttl_s: float
    max_entries: int
    bridge: bool


class BridgeOpened(Event, frozen=True):
    """The relay joined two connections."""

    event: ClassVar[str] = "bridge-opened"
    bridge: int


class BridgeClosed(Event, frozen=True):
    """One of two joined connections ended, and so did the other."""

    event: ClassVar[str] = "bridge-closed"
    bridge: int
    bytes: int


class PairReady(Event, frozen=True):
    """The first event of a peer: it listens at `addrs`, of which `addr` is the first."""

    event: ClassVar[str] = "pair-ready"
    fingerprint: str
    addr: str
    addrs: list[str]
    protocol: int


class Registered(Event, frozen=True):
    """The relay holds this peer's registration; refreshes are not reported."""

    event: ClassVar[str] = "registered"
    relay: str
    ttl_s: float


class PeerConnected(Event, frozen=True):
    """The other is proven and connected. `initiated` tells whether this side dialled."""

    event: ClassVar[str] = "peer-connected"
    fingerprint: str
    mode: Mode
    addr: str
    initiated: bool


class PeerDisconnected(Event, frozen=True):
    """The connection is gone; transfers wait."""

    event: ClassVar[str] = "peer-disconnected"
    fingerprint: str
    reason: LossReason


class ConnectionMode(Event, frozen=True):
    """How the two are connected now: told at every connection, and when it changes place."""

    event: ClassVar[str] = "connection-mode"
    mode: Mode
    addr: str


class ConnectFailed(Event, frozen=True):
    """An attempt failed.

    Codes: `identity-mismatch` (the registration has other keys than the fingerprint's, or cannot
    be opened with it), `handshake-failed` (somebody at `addr` could not prove the keys),
    `unreachable`, `relay-unreachable`, `relay-refused`.
    """

    event: ClassVar[str] = "connect-failed"
    code: str
    reason: str
    addr: str | None


class Reconnecting(Event, frozen=True):
    """Attempt number `attempt` (from 1) begins in so many seconds."""

    event: ClassVar[str] = "reconnecting"
    attempt: int
    in_s: float


class GaveUp(Event, frozen=True):
    """All attempts failed; `join` starts afresh. The other can still connect to this peer."""

    event: ClassVar[str] = "gave-up"
    attempts: int
    code: str
    reason: str


class HealthChanged(Event, frozen=True):
    """`degraded` after a heartbeat without an answer, `disconnected` without a connection."""

    event: ClassVar[str] = "health-changed"
    health: Health
    previous: Health


class FileAnnounced(Event, frozen=True):
    """The other shares a file."""

    event: ClassVar[str] = "file-announced"
    path: str
    size: int
    hash: str


class FileChanged(Event, frozen=True):
    """A file has new content or attributes from the other."""

    event: ClassVar[str] = "file-changed"
    path: str
    size: int
    hash: str


class FileRemoved(Event, frozen=True):
    """The other took a file out of the tree; `side` held it. This side's own stays on its disk."""

    event: ClassVar[str] = "file-removed"
    path: str
    side: Side


class FileRenamed(Event, frozen=True):
    """The other gave a file another name; `side` holds it."""

    event: ClassVar[str] = "file-renamed"
    path: str
    to: str
    side: Side


class AnnouncementRefused(Event, frozen=True):
    """Something is not taken into the tree: a name (`unsafe-name`), or the rest (`too-many`).

    `side` is who announced it.
    """

    event: ClassVar[str] = "announcement-refused"
    path: str | None
    side: Side
    code: str
    reason: str


class PullBegin(Event, frozen=True):
    """A pull starts or resumes; `resumed_bytes` were here already."""

    event: ClassVar[str] = "pull-begin"
    path: str
    to: str
    total_bytes: int
    resumed_bytes: int


class PullProgress(Event, frozen=True):
    """Verified bytes so far; at most every 500 ms."""

    event: ClassVar[str] = "pull-progress"
    state_of: ClassVar[tuple[str, ...] | None] = ("path", "to")
    path: str
    to: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float


class PullFinished(Event, frozen=True):
    """The file is whole, verified and in its place. `wire_bytes` are the ones fetched for it."""

    event: ClassVar[str] = "pull-finished"
    path: str
    to: str
    bytes: int
    wire_bytes: int
    duration_ms: float
    hash: str


class PullRestarted(Event, frozen=True):
    """The source changed (`source-changed`): the pull starts afresh with the new version."""

    event: ClassVar[str] = "pull-restarted"
    path: str
    to: str
    reason: str


class PullFailed(Event, frozen=True):
    """A pull ended without its file; `errno` is a name such as ENOSPC where one fits."""

    event: ClassVar[str] = "pull-failed"
    path: str
    to: str
    code: str
    reason: str
    errno: str | None


class Mounted(Event, frozen=True):
    """The tree is there."""

    event: ClassVar[str] = "mounted"
    path: str


class Unmounted(Event, frozen=True):
    """The tree is gone."""

    event: ClassVar[str] = "unmounted"
    path: str


class MountFailed(Event, frozen=True):
    """The tree could not be mounted."""

    event: ClassVar[str] = "mount-failed"
    path: str
    code: str
    reason: str
    errno: str | None


EVENTS: tuple[type[Event], ...] = (
    RelayReady,
    BridgeOpened,
    BridgeClosed,
    PairReady,
    Registered,
    PeerConnected,
    PeerDisconnected,
    ConnectionMode,
    ConnectFailed,
    Reconnecting,
    GaveUp,
    HealthChanged,
    FileAnnounced,
    FileChanged,
    FileRemoved,
    FileRenamed,
    AnnouncementRefused,
    PullBegin,
    PullProgress,
    PullFinished,
    PullRestarted,
    PullFailed,
    Mounted,
    Unmounted,
    MountFailed,
)
