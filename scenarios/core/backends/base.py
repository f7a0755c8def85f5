"""What a backend is asked for and what it gives back. Values and protocols only."""

import ipaddress
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, TypeAlias


class BackendError(Exception):
    """A backend could not do what it was told; the text says what and why."""


class Unsupported(Exception):  # noqa: N818 - the outcome it leads to is called "unsupported"
    """This backend cannot do that here; the runner reports a skip with this reason."""


class Capability(StrEnum):
    """What a scenario may need and not every backend has."""

    OWN_ADDRESSES = "own-addresses"  # every node has an IP address of its own
    DISCONNECT = "disconnect"  # a node can be cut off the network and come back
    SMALL_DISK = "small-disk"  # a mount that takes only so many bytes


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder given to a node; with ``limit_bytes`` it is a disk that is soon full.

    A limited mount is a tmpfs in a container, so its content is not on the host there: look at it
    with ``Node.listing``. As a process the node writes into the folder under a file-size limit
    (RLIMIT_FSIZE), so there a single file longer than the limit is what fails, with EFBIG.
    ``host`` must exist.
    """

    host: Path
    writable: bool = False
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An argument that is a path: the backend writes it as the node will see it."""

    mount: Mount
    inside: str = ""  # relative, with slashes


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An argument that is the node's own IP address, with ``suffix`` (such as ":0") behind it."""

    suffix: str = ""


EndKind: TypeAlias = Literal["exited", "out-of-memory", "backend-failed"]
Argument: TypeAlias = str | Placed | OwnAddress


@dataclass(frozen=True, slots=True)
class Program:
    """How a node's program is called.

    ``command`` is for processes. In a container the image's own entry point runs, unless
    ``entrypoint`` says otherwise; ``image`` replaces the backend's default image.
    """

    command: tuple[Argument, ...]
    entrypoint: tuple[Argument, ...] | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node to be started. ``arguments`` follow the program on its command line.

    ``mounts`` need only name those that no argument places. ``ready_event`` is the event after
    which others may use the node; None: nothing is waited for. ``expected_exit`` is what the
    always-on check wants from a node that was not killed; a node with another one than 0 may end
    on its own.
    """

    name: str
    program: Program
    arguments: tuple[Argument, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    address: str | None = None  # None: the backend's next one
    ready_event: str | None = None
    expected_exit: int = 0

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
    """How a node ended, and what the backend knows of why: ``kind`` for programs, ``cause`` says.

    After a signal the exit code of a process is minus that signal, of a container 128 plus it.
    """

    exit_code: int | None
    cause: str = ""  # such as "killed by the system for want of memory"
    kind: EndKind = "exited"


class Capture(Protocol):
    """Packets being written."""

    def stop(self) -> None:
        """End it with a whole file; again: no effect."""


class Sink(Protocol):
    """Where a backend delivers what a node says. Called from the backend's threads."""

    def line(self, stream: Literal["out", "err"], data: bytes, *, complete: bool) -> None:
        """Take one line without its newline; not complete: the stream ended within it."""

    def ended(self, ended: Ended) -> None:
        """Take the end: called once, after the last line of both streams."""


class Handle(Protocol):
    """A started node. Every method is safe from any thread."""

    @property
    def address(self) -> str:
        """The node's present IP address."""

    def write(self, data: bytes) -> None:
        """Queue bytes for stdin; never blocks, silently dropped when the node is gone."""

    def close_stdin(self) -> None:
        """Close stdin behind everything queued."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL to the node and everything it started."""

    def freeze(self) -> None:
        """Stop the node where it is."""

    def thaw(self) -> None:
        """Let it go on."""

    def disconnect(self) -> None:
        """Cut the node off the network; raises Unsupported."""

    def reconnect(self, address: str | None) -> None:
        """Put it back under the same or another address; raises Unsupported."""

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative path of everything below a mount, as the node sees it."""

    def remove(self) -> None:
        """Kill it if it still runs and leave nothing of it; again: no effect."""


class Backend(Protocol):
    """Starts nodes. One per worker; its nodes see each other and nothing else."""

    @property
    def name(self) -> str:
        """The name people choose it by."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do on this machine."""

    def new_address(self) -> str:
        """Lease the next address; ascending until every lease was given back."""

    def start(self, spec: NodeSpec, address: str, sink: Sink) -> Handle:
        """Start a node; raises BackendError. Blocks until it runs, not until it is ready."""

    def capture(self, address: str, file: Path) -> Capture:
        """Begin to write the packets of an address into a file; raises BackendError."""

    def versions(self) -> dict[str, str]:
        """Return what the results should say it ran on."""

    def close(self) -> None:
        """Remove every node and network of this backend; again: no effect."""


class AddressPool:
    """Leases addresses of one network in ascending order, from the start again when all are back.

    So within a scenario a node started later has the higher address.
    """

    def __init__(self, network: str, *, first: int, last: int) -> None:
        self._base = ipaddress.IPv4Network(network).network_address
        self._first, self._last = first, last
        self._next = first
        self._leased: set[str] = set()
        self._lock = threading.Lock()

    def lease(self) -> str:
        """Return the next free address; raises BackendError when none is left."""
        with self._lock:
            if not self._leased:
                self._next = self._first
            for offset in self._candidates():
                address = str(self._base + offset)
                # .0 and .255 are odd addresses even inside a wider network.
                if offset % 256 in (0, 255) or address in self._leased:
                    continue
                self._next = offset + 1
                self._leased.add(address)
                return address
        raise BackendError(f"No address is left in {self._base}; run fewer nodes at once.")

    def claim(self, address: str) -> None:
        """Take a chosen address out of the pool."""
        with self._lock:
            self._leased.add(address)

    def give_back(self, address: str) -> None:
        """End a lease; again: no effect."""
        with self._lock:
            self._leased.discard(address)

    def _candidates(self) -> Iterator[int]:
        yield from range(self._next, self._last + 1)
        yield from range(self._first, self._next)


class LineSplitter:
    """Cuts a byte stream into lines in linear time, however the chunks fall."""

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
        """Return what came after the last newline."""
        return b"".join(self._open)
