"""A tunnel node's commands, their results, and its events."""

from typing import ClassVar, Literal, TypeAlias

from headless.envelope import Command, Event, Value
from headless.vocabulary import Vocabulary

Role: TypeAlias = Literal["server", "client"]
ActiveReason: TypeAlias = Literal["first", "data", "lost", "command"]
CloseReason: TypeAlias = Literal["closed", "reset", "refused", "failover", "link-lost", "timeout"]


class ClientRow(Value, frozen=True):
    """A client that the server knows. `rtt_ms` is null until the first ping is answered."""

    client_id: int
    online: bool
    active: bool
    addr: str
    rtt_ms: float | None


class ListenerRow(Value, frozen=True):
    """A listener of this node; `port` is 0 until it opens for the first time."""

    tunnel: str
    port: int
    open: bool


class TunnelBytes(Value, frozen=True):
    """Bytes of a tunnel's streams that came `in` from the link, and went `out` to it."""

    bytes_in: int
    bytes_out: int


class StreamRow(Value, frozen=True):
    """An open stream. `bytes_in` came from the link, `bytes_out` went into it."""

    stream: int
    client_id: int
    tunnel: str
    bytes_in: int
    bytes_out: int
    buffered_bytes: int


class Status(Command, frozen=True):
    """Report the state of this node."""

    cmd: ClassVar[str] = "status"


class StatusResult(Value, frozen=True):
    """`failover` is "idle", or the seconds until the closed listeners open again."""

    role: Role
    client_id: int | None
    active_client: int | None
    clients: list[ClientRow]
    listeners: list[ListenerRow]
    streams: int
    buffered_bytes: int
    bytes: dict[str, TunnelBytes]
    failover: Literal["idle"] | float
    uptime_s: float


class ListStreams(Command, frozen=True):
    """List the open streams."""

    cmd: ClassVar[str] = "list-streams"


class ListStreamsResult(Value, frozen=True):
    """The open streams, oldest first."""

    streams: list[StreamRow]


class Activate(Command, frozen=True):
    """Make a client the active one: a failover by hand. Only the server can."""

    cmd: ClassVar[str] = "activate"
    client_id: int


class ActivateResult(Value, frozen=True):
    """The client that was active before."""

    active_client: int
    previous: int | None


class Drain(Command, frozen=True):
    """Take no new streams, hand over, and exit after the last stream ends. Only a client can."""

    cmd: ClassVar[str] = "drain"


class DrainResult(Value, frozen=True):
    """How many streams are still open."""

    streams: int


class TunnelReady(Event, frozen=True):
    """The first event. From now on, a server accepts links at `addr`."""

    event: ClassVar[str] = "tunnel-ready"
    role: Role
    client_id: int | None
    addr: str | None
    protocol: int


class ClientOnline(Event, frozen=True):
    """A client has a link."""

    event: ClassVar[str] = "client-online"
    client_id: int
    addr: str


class ClientOffline(Event, frozen=True):
    """A client lost its link."""

    event: ClassVar[str] = "client-offline"
    client_id: int
    reason: str


class ActiveChanged(Event, frozen=True):
    """Another client is active, or none (null). Clients report what the server told them."""

    event: ClassVar[str] = "active-changed"
    client_id: int | None
    previous: int | None
    reason: ActiveReason


class ListenerOpened(Event, frozen=True):
    """A listener accepts connections at `addr`."""

    event: ClassVar[str] = "listener-opened"
    tunnel: str
    port: int
    addr: str


class ListenerClosed(Event, frozen=True):
    """A listening socket is closed. `reopens_in_s` is null if no reopening is planned."""

    event: ClassVar[str] = "listener-closed"
    tunnel: str
    port: int
    reopens_in_s: float | None


class StreamOpened(Event, frozen=True):
    """A stream was opened.

    `source` and `target` are "IP:port" as far as this node knows them, else empty: whoever
    connected here, or the link; and the target that this node connects to.
    """

    event: ClassVar[str] = "stream-opened"
    stream: int
    client_id: int
    tunnel: str
    source: str
    target: str


class StreamClosed(Event, frozen=True):
    """A stream has ended. `bytes_in` came from the link, `bytes_out` went to it."""

    event: ClassVar[str] = "stream-closed"
    stream: int
    client_id: int
    tunnel: str
    bytes_in: int
    bytes_out: int
    reason: CloseReason


class FailoverBegin(Event, frozen=True):
    """All listeners but the active client's close for `wait_s` seconds."""

    event: ClassVar[str] = "failover-begin"
    client_id: int
    previous: int | None
    wait_s: float


class FailoverFinished(Event, frozen=True):
    """All listeners are open again."""

    event: ClassVar[str] = "failover-finished"
    client_id: int | None


class LinkLost(Event, frozen=True):
    """This client's link is gone, or the first attempt failed."""

    event: ClassVar[str] = "link-lost"
    reason: str


class LinkRestored(Event, frozen=True):
    """This client has a link."""

    event: ClassVar[str] = "link-restored"
    addr: str


VOCABULARY = Vocabulary(
    program="tunnel-cli",
    results={
        Status: StatusResult,
        ListStreams: ListStreamsResult,
        Activate: ActivateResult,
        Drain: DrainResult,
    },
    events=(
        TunnelReady,
        ClientOnline,
        ClientOffline,
        ActiveChanged,
        ListenerOpened,
        ListenerClosed,
        StreamOpened,
        StreamClosed,
        FailoverBegin,
        FailoverFinished,
        LinkLost,
        LinkRestored,
    ),
)
