"""The interface of backends. Values and protocols only."""

import ipaddress
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, TypeAlias


class BackendError(Exception):
    """An operation of a backend failed; the text says which and why."""


class BackendLacks(Exception):  # noqa: N818 - a statement, not an error
    """This backend lacks a capability here; the runner reports a skip with this reason."""


class Capability(StrEnum):
    """Capabilities that scenarios may need and some backends lack."""

    OWN_ADDRESSES = "own-addresses"  # every node has its own IP address
    DISCONNECT = "disconnect"  # a node can be disconnected from the network and come back
    MULTICAST = "multicast"  # nodes receive each other's multicasts (IPv4)
    SMALL_DISK = "small-disk"  # a mount with a size limit
    PERMISSIONS = "permissions"  # file permissions bind the nodes, even if root runs the scenarios
    IPV6_LOOPBACK = "ipv6-loopback"  # nodes reach each other at ::1
    LINK_LOCAL = "link-local-ipv6"  # nodes can have link-local IPv6 addresses
    FUSE = "fuse"  # a node may mount FUSE file systems
    CAPTURE = "capture"  # a node's packets can be captured
    HOST_NAMES = "host-names"  # a node can know host names of its own


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder mounted into a node; with ``limit_bytes`` it is a small disk.

    In a container a limited mount is a tmpfs, so its content is not on the host: read it with
    ``Node.listing``. A process writes into the folder under a file-size limit (RLIMIT_FSIZE), so
    only a single file longer than the limit fails, with EFBIG. ``host`` must exist.
    """

    host: Path
    writable: bool = False
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An argument that is a path; the backend translates it to the path inside the node."""

    mount: Mount
    inside: str = ""  # relative, with slashes


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An argument that is the node's own IP address, between ``prefix`` and ``suffix``."""

    prefix: str = ""
    suffix: str = ""


EndKind: TypeAlias = Literal["exited", "out-of-memory", "backend-failed"]
Argument: TypeAlias = str | Placed | OwnAddress


@dataclass(frozen=True, slots=True)
class Program:
    """How to start a node's program.

    ``command`` is for processes. In a container the entry point of ``image`` runs, unless
    ``entrypoint`` replaces it. ``image`` is a name that the backend knows, such as a target of the
    Dockerfile, or any image with its tag.
    """

    command: tuple[Argument, ...]
    entrypoint: tuple[Argument, ...] | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node to start. ``arguments`` follow the program on its command line.

    ``mounts`` need only list mounts that are not in ``arguments``. The node is ready after
    ``ready_event``; with None the start does not wait. ``expected_exit`` is the exit code that the
    always-on check expects unless the node was killed; if it is not 0, the node may exit unasked.
    A node with ``ends_first`` needs the others, so it has to end before they are asked to.
    ``hosts`` are host names that only this node knows, with their IP addresses. ``fuse`` lets it
    mount FUSE file systems (`/dev/fuse`), which nobody else sees and which are gone with it; with
    ``shows_mounts`` those of a process are visible on the whole machine. With ``link_local`` it
    also has a link-local IPv6 address, a container only some seconds after the start. With
    ``captured`` its packets are recorded whole (``Trial.captured``).
    """

    name: str
    program: Program
    arguments: tuple[Argument, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    address: str | None = None  # None: the next one of the backend
    ready_event: str | None = None
    expected_exit: int = 0
    ends_first: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)
    fuse: bool = False
    shows_mounts: bool = False
    link_local: bool = False
    captured: bool = False

    def all_mounts(self) -> tuple[Mount, ...]:
        """Return every mount once, in the order of first mention."""
        every: tuple[Argument, ...] = (
            *self.program.command,
            *(self.program.entrypoint or ()),
            *self.arguments,
        )
        placed = [part.mount for part in every if isinstance(part, Placed)]
        return tuple(dict.fromkeys((*self.mounts, *placed)))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a node ended, and why if the backend knows: ``kind`` for programs, ``cause`` for people.

    After a signal the exit code of a process is minus the signal, that of a container 128 plus it.
    """

    exit_code: int | None
    cause: str = ""  # such as "killed because memory ran out"
    kind: EndKind = "exited"


class Capture(Protocol):
    """A running capture of packets."""

    def stop(self) -> None:
        """Stop it; the file is then complete. Idempotent."""


class Sink(Protocol):
    """Receives a node's output. Called from the backend's threads."""

    def line(self, stream: Literal["out", "err"], data: bytes, *, complete: bool) -> None:
        """Receive one line without its newline; not ``complete`` if the stream ended within it."""

    def ended(self, ended: Ended) -> None:
        """Receive the end of the node: called once, after the last line of both streams."""


class Handle(Protocol):
    """A started node. Every method is safe from any thread."""

    @property
    def address(self) -> str:
        """The node's current IP address."""

    def write(self, data: bytes) -> None:
        """Queue bytes for stdin; never blocks. They are dropped if the node is gone."""

    def close_stdin(self) -> None:
        """Close stdin after everything queued."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL to the node and everything it started."""

    def freeze(self) -> None:
        """Freeze the node."""

    def thaw(self) -> None:
        """Resume it."""

    def disconnect(self) -> None:
        """Disconnect the node from the network. Raises BackendLacks."""

    def reconnect(self, address: str | None) -> None:
        """Reconnect it at the same or another address. Raises BackendLacks."""

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative paths of everything below a mount, as the node sees it."""

    def path_of(self, mount: Mount) -> str:
        """Return the path at which the node finds one of its mounts."""

    def remove(self) -> None:
        """Kill it if it still runs, and remove it completely. Idempotent."""


class Backend(Protocol):
    """Starts nodes. One per worker; its nodes reach only each other."""

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Its capabilities on this machine."""

    def new_address(self) -> str:
        """Lease the next address; they ascend until all leases are returned."""

    def start(self, spec: NodeSpec, address: str, sink: Sink) -> Handle:
        """Start a node and return when it runs, before it is ready. Raises BackendError."""

    def capture(self, address: str, file: Path, *, whole: bool = False) -> Capture:
        """Start to capture the packets of an address into a file. Raises BackendError.

        Only their headers, unless ``whole``.
        """

    def versions(self) -> dict[str, str]:
        """Return a description of the platform for the results."""

    def close(self) -> None:
        """Remove every node and network of this backend. Idempotent."""


class AddressPool:
    """Leases addresses of one network in ascending order; starts over once all are returned.

    So within a scenario a node that starts later has a higher address.
    """

    def __init__(self, network: str, *, first: int, last: int) -> None:
        self._base = ipaddress.IPv4Network(network).network_address
        self._first, self._last = first, last
        self._next = first
        self._leased: set[str] = set()
        self._lock = threading.Lock()

    def lease(self) -> str:
        """Return the next free address. Raises BackendError if none is left."""
        with self._lock:
            if not self._leased:
                self._next = self._first
            for offset in self._candidates():
                address = str(self._base + offset)
                # .0 and .255 look like network or broadcast addresses even in a larger network.
                if offset % 256 in (0, 255) or address in self._leased:
                    continue
                self._next = offset + 1
                self._leased.add(address)
                return address
        raise BackendError(f"No address is left in {self._base}; run fewer nodes at once.")

    def claim(self, address: str) -> None:
        """Lease a specific address."""
        with self._lock:
            self._leased.add(address)

    def give_back(self, address: str) -> None:
        """End a lease. Idempotent."""
        with self._lock:
            self._leased.discard(address)

    def _candidates(self) -> Iterator[int]:
        yield from range(self._next, self._last + 1)
        yield from range(self._first, self._next)


class LineSplitter:
    """Splits a byte stream into lines, in linear time for chunks of any size."""

    def __init__(self) -> None:
        self._open: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that ``chunk`` completes, without their newlines."""
        first, *rest = chunk.split(b"\n")
        self._open.append(first)
        if not rest:
            return []
        lines = [b"".join(self._open), *rest[:-1]]
        self._open = [rest[-1]]
        return lines

    def rest(self) -> bytes:
        """Return the bytes after the last newline."""
        return b"".join(self._open)
