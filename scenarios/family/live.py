"""What a family defines for live nodes: which kinds there are and how to use them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import NodeSpec, Program


@dataclass(frozen=True, slots=True)
class LivePlace:
    """The place of a live node: its name, its folder, "IP:port".

    ``neighbours`` are the live nodes that others reach, by name.
    """

    name: str
    folder: Path
    listen: str
    neighbours: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared node; ``says`` tells the user what is in its folders."""

    spec: NodeSpec
    says: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a transfer; ``sources``: how many nodes send it."""

    item: str
    done: int  # bytes
    total: int
    bytes_per_second: float
    sources: int


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A kind of live node."""

    program: str  # the name of one of the family's
    prepare: Callable[[LivePlace, Program], Prepared]
    about: str  # for --help: the meaning of NAME
    examples: str = ""
    nicknames: Mapping[str, str] = field(default_factory=dict)  # aliases of commands
    # By command, the address argument that also accepts the name of another live node.
    reaches: Mapping[str, str] = field(default_factory=dict)
    address: str = "addr"  # the field of its ready event with its address
    ready_event: str = ""  # empty: the family's
    row_names: tuple[str, ...] = ("id", "name")  # the fields that name a row in a list
    minor: frozenset[str] = frozenset()  # events shown dim
    # Parsers of the data of events that are shown as a progress bar.
    progress: Mapping[str, Callable[[Mapping[str, Any]], Progress]] = field(default_factory=dict)
