"""What commands, results and events are made of."""

from typing import Literal, TypeAlias

from headless.envelope import Value

Mode: TypeAlias = Literal["direct", "bridge"]
Health: TypeAlias = Literal["healthy", "degraded", "disconnected"]
Side: TypeAlias = Literal["local", "remote"]
Connection: TypeAlias = Literal[
    "idle", "waiting", "connecting", "connected", "reconnecting", "gave-up"
]
LossReason: TypeAlias = Literal["goodbye", "connection-lost", "timeout", "left"]


class FileRow(Value, frozen=True):
    """A file that a side shares. `hash` is the root of its content (files/blocks.py) in hex."""

    path: str
    size: int
    hash: str
    modified_ns: int


class TransferRow(Value, frozen=True):
    """A pull that is under way, or waits for the other to come back."""

    path: str
    to: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    state: Literal["running", "waiting"]


class Limits(Value, frozen=True):
    """Bytes per second, null for no limit."""

    upload: int | None
    download: int | None
