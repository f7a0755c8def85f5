"""The commands of a peer and of a relay, each with its result."""

from typing import ClassVar

from headless.envelope import Command, Value
from pair_cli.messages.values import Connection, FileRow, Health, Limits, Mode, Side, TransferRow


class GetFingerprint(Command, frozen=True):
    """Report this peer's fingerprint: what the other has to `join`."""

    cmd: ClassVar[str] = "fingerprint"


class FingerprintResult(Value, frozen=True):
    """86 characters of base64url."""

    fingerprint: str


class Join(Command, frozen=True):
    """Pair with the peer of this fingerprint; `relay` is a URL (default: that of --relay)."""

    cmd: ClassVar[str] = "join"
    fingerprint: str
    relay: str | None = None


class JoinResult(Value, frozen=True):
    """Accepted. The `initiator` has the lower fingerprint: it listens, and it reconnects."""

    fingerprint: str
    initiator: bool


class Status(Command, frozen=True):
    """Report the state of this peer."""

    cmd: ClassVar[str] = "status"


class StatusResult(Value, frozen=True):
    """`peer` is the other's fingerprint, null before a `join`; `rtt_ms` that of the last heartbeat.

    `mode`, `addr` and `rtt_ms` are null while there is no connection. `heartbeats` counts the
    answered ones of this connection.
    """

    fingerprint: str
    addrs: list[str]
    peer: str | None
    initiator: bool | None
    connection: Connection
    mode: Mode | None
    addr: str | None
    rtt_ms: float | None
    heartbeats: int
    health: Health
    transfers: list[TransferRow]
    limits: Limits
    mounts: list[str]
    uptime_s: float


class Add(Command, frozen=True):
    """Share a file or a folder of this machine under its relative path.

    `strict` refuses what is shared already (default: --strict-add).
    """

    cmd: ClassVar[str] = "add"
    path: str
    strict: bool | None = None


class AddResult(Value, frozen=True):
    """What is shared now, by relative path: announced for the first time, anew, or as before.

    What cannot be shared is `refused`, each path with the reason.
    """

    added: list[str]
    changed: list[str]
    unchanged: list[str]
    refused: dict[str, str]


class List(Command, frozen=True):
    """List the files that a side shares."""

    cmd: ClassVar[str] = "list"
    side: Side


class ListResult(Value, frozen=True):
    """The files by path, in order, and the folders that were made on a mount."""

    files: list[FileRow]
    folders: list[str]


class WaitFile(Command, frozen=True):
    """Reply once a side shares this path."""

    cmd: ClassVar[str] = "wait-file"
    path: str
    timeout_ms: int
    side: Side = "remote"


class WaitFileResult(Value, frozen=True):
    """The file."""

    file: FileRow


class Pull(Command, frozen=True):
    """Fetch a file of the other's to a path of this machine; events tell the outcome.

    `to` is absolute, or below the folder (default: `path`). `overwrite` replaces an existing target
    (default: --overwrite). While the other is away, the pull waits.
    """

    cmd: ClassVar[str] = "pull"
    path: str
    to: str | None = None
    overwrite: bool | None = None


class PullResult(Value, frozen=True):
    """Accepted; the file is to be this large."""

    path: str
    to: str
    total_bytes: int


class Cancel(Command, frozen=True):
    """End a pull; what it fetched is kept, and the next pull resumes there."""

    cmd: ClassVar[str] = "cancel"
    path: str


class CancelResult(Value, frozen=True):
    """How much is kept."""

    path: str
    kept_bytes: int


class Discard(Command, frozen=True):
    """End a pull if it is under way, and delete what it fetched."""

    cmd: ClassVar[str] = "discard"
    path: str


class DiscardResult(Value, frozen=True):
    """How much was deleted."""

    path: str
    discarded_bytes: int


class Remove(Command, frozen=True):
    """Share a path no longer; copies that were pulled stay."""

    cmd: ClassVar[str] = "remove"
    path: str


class RemoveResult(Value, frozen=True):
    """What is no longer shared."""

    removed: list[str]


class Rename(Command, frozen=True):
    """Share a path under another name."""

    cmd: ClassVar[str] = "rename"
    path: str
    to: str


class RenameResult(Value, frozen=True):
    """The file or folder has its new name."""

    path: str
    to: str


class Mount(Command, frozen=True):
    """Mount both sides' files as one tree on an empty folder. Replies once it is there."""

    cmd: ClassVar[str] = "mount"
    path: str


class MountResult(Value, frozen=True):
    """The tree is there."""

    path: str


class Unmount(Command, frozen=True):
    """Unmount; `lazy` detaches a tree that is still in use."""

    cmd: ClassVar[str] = "unmount"
    path: str | None = None
    lazy: bool = False


class UnmountResult(Value, frozen=True):
    """The tree is gone."""

    path: str


class SetLimits(Command, frozen=True):
    """Limit the rates of transfers, e.g. "80MiB"; null for no limit."""

    cmd: ClassVar[str] = "set-limits"
    upload: str | int | None = None
    download: str | int | None = None


class SetLimitsResult(Value, frozen=True):
    """The limits now in force."""

    limits: Limits


class RelayStatus(Command, frozen=True):
    """Report what the relay holds: counts only."""

    cmd: ClassVar[str] = "relay-status"


class RelayStatusResult(Value, frozen=True):
    """Registrations, and connections at the bridge: pairs that are joined, and halves that wait."""

    addr: str
    entries: int
    bridges: int
    waiting: int
    uptime_s: float


RESULTS: dict[type[Command], type[Value]] = {
    GetFingerprint: FingerprintResult,
    Join: JoinResult,
    Status: StatusResult,
    Add: AddResult,
    List: ListResult,
    WaitFile: WaitFileResult,
    Pull: PullResult,
    Cancel: CancelResult,
    Discard: DiscardResult,
    Remove: RemoveResult,
    Rename: RenameResult,
    Mount: MountResult,
    Unmount: UnmountResult,
    SetLimits: SetLimitsResult,
    RelayStatus: RelayStatusResult,
}
