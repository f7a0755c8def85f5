"""The commands of a tracker and a peer, and their results.

Paths are as `model.path_text` writes them.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from headless.envelope import Command, Empty, Value

Role: TypeAlias = Literal["tracker", "peer"]
TrackerState: TypeAlias = Literal["none", "connecting", "connected", "lost"]

Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class PathProblem(Value, frozen=True):
    """A path that is not in step, and why."""

    path: str
    why: str


class Status(Command, frozen=True):
    """Report the state of this node."""

    cmd: ClassVar[str] = "status"


class StatusResult(Value, frozen=True):
    """`tracker` is this peer's connection to it; `halted` is the code of what stopped it.

    Of a tracker, `files` and `bytes` are null: it knows them only of legacy peers.
    """

    role: Role
    legacy: bool
    peer_id: str | None
    name: str
    addr: str
    tracker: TrackerState
    tracker_addr: str | None
    peers: int
    files: int | None
    bytes: int | None
    out_of_step: list[PathProblem]
    halted: str | None
    paused: bool
    uptime_s: float


class PeerRow(Value, frozen=True):
    """Another peer. `in_step`: it has all that this peer has, and this peer all that it has.

    A legacy peer has no id and is never known to be in step.
    """

    peer_id: str | None
    name: str
    addr: str
    connected: bool
    legacy: bool
    in_step: bool | None


class ListPeers(Command, frozen=True):
    """List the other peers."""

    cmd: ClassVar[str] = "list-peers"


class ListPeersResult(Value, frozen=True):
    """The peers, by id and address."""

    peers: list[PeerRow]


class FileRow(Value, frozen=True):
    """A file, folder or link. `holders`: ids of peers that have it, or addresses of legacy peers.

    `version` is its vector as "peer:count,…"; a legacy file has its mtime there, and no hash.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    version: str
    hash: str | None
    size: int | None
    holders: list[str]


class ListFiles(Command, frozen=True):
    """List what there is below a prefix of paths."""

    cmd: ClassVar[str] = "list-files"
    prefix: str = ""


class ListFilesResult(Value, frozen=True):
    """The files, sorted by path. `truncated`: there are more; ask for longer prefixes."""

    files: list[FileRow]
    truncated: bool = False


class Scan(Command, frozen=True):
    """Look through the whole folder now."""

    cmd: ClassVar[str] = "scan"


class ScanResult(Value, frozen=True):
    """What the folder holds after the scan."""

    files: int
    bytes: int


class WaitInStep(Command, frozen=True):
    """Wait until every known peer has what all have."""

    cmd: ClassVar[str] = "wait-in-step"
    timeout_ms: Milliseconds = 30_000


class WaitInStepResult(Value, frozen=True):
    """What all have."""

    files: int
    bytes: int


class Pause(Command, frozen=True):
    """Fetch and apply nothing until `resume`. Others may still fetch from here."""

    cmd: ClassVar[str] = "pause"


class Resume(Command, frozen=True):
    """Go on after `pause`, or after a halt whose cause was looked at."""

    cmd: ClassVar[str] = "resume"


class History(Command, frozen=True):
    """Report what happened to a path."""

    cmd: ClassVar[str] = "history"
    path: str


class HistoryRow(Value, frozen=True):
    """What happened to a path here, at a unix time: `what` in a word, and the version since then.

    `author` is the id of the peer that made that version.
    """

    at: float
    what: str
    note: str
    author: str
    version: str
    kind: Literal["file", "folder", "link", "deleted"]
    hash: str | None
    size: int | None


class HistoryResult(Value, frozen=True):
    """What this peer remembers, oldest first."""

    versions: list[HistoryRow]


RESULTS: dict[type[Command], type[Value]] = {
    Status: StatusResult,
    ListPeers: ListPeersResult,
    ListFiles: ListFilesResult,
    Scan: ScanResult,
    WaitInStep: WaitInStepResult,
    Pause: Empty,
    Resume: Empty,
    History: HistoryResult,
}
