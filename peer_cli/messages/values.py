"""The values that replies and events consist of."""

from typing import Literal, TypeAlias

import msgspec

from headless.envelope import Value

Operation: TypeAlias = Literal[
    "Downloading", "StreamInstalling", "Installing", "Uninstalling", "Removing"
]


class ActiveOperation(Value, frozen=True):
    """A game and the operation on it."""

    game_id: str
    operation: Operation


class Limits(Value, frozen=True):
    """Bytes per second of all transfers together; null means none."""

    upload: int | None
    download: int | None


class AdvertisedGame(Value, frozen=True):
    """A game as its owner advertises it."""

    id: str
    eti_version: str | None
    availability: str
    downloaded: bool
    installed: bool
    size: int


class PeerRow(Value, frozen=True):
    """A known peer."""

    peer_id: str
    name: str
    addr: str
    game_count: int
    games: list[AdvertisedGame]


class LocalGameRow(Value, frozen=True):
    """A game in this peer's library.

    `problem` is present when something in the game cannot be read or named; then the game is not
    advertised.
    """

    id: str
    version: str | None
    downloaded: bool
    installed: bool
    availability: str
    size: int
    problem: str | msgspec.UnsetType = msgspec.UNSET


class RemoteGameRow(Value, frozen=True):
    """A game that at least one eligible source has."""

    id: str
    peer_count: int
    eti_game_version: str
    size: int


class FileDescription(Value, frozen=True):
    """A file of the agreed manifest; `relative_path` starts with the game id."""

    relative_path: str
    size: int


class SourceRow(Value, frozen=True):
    """A peer that a download may use."""

    peer_id: str
    addr: str


class DeliveredRange(Value, frozen=True):
    """Which source delivered which verified bytes of a chunk."""

    peer_id: str
    offset: int
    length: int


class Throughput(Value, frozen=True):
    """Figures of a finished download, from `download-begin` to the last verified byte."""

    bytes: int
    duration_ms: float
    mib_per_s: float
    mbit_per_s: float
    chunks: int
