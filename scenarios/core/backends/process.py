"""Nodes as plain processes, each on its own loopback address if the system allows it."""

import errno
import os
import queue
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from scenarios.core.backends.base import (
    AddressPool,
    Argument,
    BackendError,
    BackendLacks,
    Capability,
    Capture,
    Ended,
    LineSplitter,
    Mount,
    NodeSpec,
    OwnAddress,
    Placed,
    Sink,
)
from scenarios.core.backends.capture import can_capture, start_capture
from scenarios.core.label import ENVIRONMENT_NAME, RunLabel

# As in a container, a node gets only these variables and its own, so that runs are alike.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
READ_SIZE = 256 * 1024
# A grandchild that left the process group could keep a stream open forever.
STREAMS_END_S = 5.0
# As in a container, a node run by root has no capabilities, so file permissions bind it.
WITHOUT_POWERS = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
# One that may mount keeps the capability for it, in a mount namespace that ends with it.
WITH_MOUNTS = ("--bounding-set=-all,+sys_admin", *WITHOUT_POWERS[1:])
APART = ("--mount", "--propagation", "private")
# Lays a hosts file with the text $1 over the machine's, and runs the rest.
WITH_HOSTS = (
    'file=$(mktemp) && { printf %s "$1"; cat /etc/hosts; } >"$file" && '
    'mount --bind "$file" /etc/hosts && rm "$file" && shift && exec "$@"'
)


class ProcessBackend:
    """Needs no Docker, no root, no network."""

    name = "process"

    def __init__(self, label: RunLabel) -> None:
        self._label = label
        self._handles: list[ProcessHandle] = []
        self._lock = threading.Lock()
        self._pool = _own_pool(label) if _can_bind("127.0.0.2") else None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """No disconnecting; FUSE and host names where a process may have a mount namespace.

        Nodes have their own addresses if the system accepts all of 127/8.
        """
        found = {
            Capability.MULTICAST: _multicast_works(),
            Capability.OWN_ADDRESSES: self._pool is not None,
            Capability.IPV6_LOOPBACK: _can_bind("::1", socket.AF_INET6),
            Capability.LINK_LOCAL: _has_link_local(),
            Capability.SMALL_DISK: hasattr(resource, "prlimit"),  # Linux
            Capability.PERMISSIONS: os.geteuid() != 0 or bool(_drop_powers()),
            Capability.FUSE: _can_mount(),
            Capability.CAPTURE: can_capture(),
            Capability.HOST_NAMES: _can_name(),
        }
        return frozenset(capability for capability, there in found.items() if there)

    def new_address(self) -> str:
        """Lease the next loopback address; always 127.0.0.1 if there is no other."""
        return self._pool.lease() if self._pool else "127.0.0.1"

    def start(self, spec: NodeSpec, address: str, sink: Sink) -> "ProcessHandle":
        """Start a node in its own process session. Raises BackendError."""
        if self._pool:
            self._pool.claim(address)
        arguments = (*spec.program.command, *spec.arguments)
        powers = _mounting(apart=not spec.shows_mounts) if spec.fuse else _drop_powers()
        command = [
            *_naming(spec.hosts),
            *powers,
            *(_as_seen(argument, address) for argument in arguments),
        ]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        limits = [mount.limit_bytes for mount in spec.all_mounts() if mount.limit_bytes]
        if limits and Capability.SMALL_DISK not in self.capabilities:
            raise BackendLacks("Small disks need --backend docker here: there is no prlimit.")
        try:
            _require_program(arguments[0])
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, **spec.env, ENVIRONMENT_NAME: str(self._label)},
                # Ctrl-C reaches only the runner, and signals reach the node's helpers too.
                start_new_session=True,
                # Keeps SIGXFSZ ignored, so that a write beyond the file-size limit fails.
                restore_signals=not limits,
                bufsize=0,
            )
        except OSError as error:
            self._give_back(address)
            raise BackendError(f"{spec.name} could not be started: {error}") from error
        handle = ProcessHandle(process, address, sink, self._give_back)
        with self._lock:
            self._handles.append(handle)
        if limits:
            handle.limit_file_size(min(limits))
        return handle

    def capture(self, address: str, file: Path, *, whole: bool = False) -> Capture:
        """Start to capture an address's packets on the loopback. Raises BackendError."""
        loopback = "lo" if sys.platform == "linux" else "lo0"
        environment = {ENVIRONMENT_NAME: str(self._label)}
        return start_capture(loopback, address, file, environment, whole=whole)

    def versions(self) -> dict[str, str]:
        """Return the system's name and release."""
        system = os.uname()
        return {"system": f"{system.sysname} {system.release} {system.machine}"}

    def close(self) -> None:
        """Kill and reap every node. Idempotent."""
        with self._lock:
            handles, self._handles = self._handles, []
        for handle in handles:
            handle.remove()

    def _give_back(self, address: str) -> None:
        if self._pool:
            self._pool.give_back(address)


class ProcessHandle:
    """One process with the threads that read, write and wait for it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        address: str,
        sink: Sink,
        give_back: Callable[[str], None],
    ) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process = process
        self._address = address
        self._sink = sink
        self._give_back = give_back
        # Held while sending a signal and while reaping, so that no signal can reach another process
        # that reuses the process ID.
        self._reaping = threading.Lock()
        self._gone = threading.Event()
        self._input: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._readers = [
            self._thread(self._read, process.stdout, "out"),
            self._thread(self._read, process.stderr, "err"),
        ]
        self._thread(self._write, process.stdin)
        self._waiter = self._thread(self._wait)

    @property
    def address(self) -> str:
        """Its loopback address."""
        return self._address

    def write(self, data: bytes) -> None:
        """Queue bytes for stdin; a thread writes them as fast as the node reads."""
        self._input.put(data)

    def close_stdin(self) -> None:
        """Close stdin after everything queued."""
        self._input.put(None)

    def terminate(self) -> None:
        """Send SIGTERM to the node alone, as an init process would."""
        self._signal(signal.SIGTERM, group=False)

    def kill(self) -> None:
        """Send SIGKILL to the node and its helpers."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Send SIGSTOP to the node and its helpers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT to the node and its helpers."""
        self._signal(signal.SIGCONT)

    def disconnect(self) -> None:
        """Raise BackendLacks: a single process cannot be disconnected from the loopback."""
        raise BackendLacks(
            "The process backend cannot cut a node off the network; run this with --backend docker."
        )

    def reconnect(self, address: str | None) -> None:
        """Raise BackendLacks, like disconnect."""
        self.disconnect()

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative paths of everything below a mount."""
        return frozenset(str(path.relative_to(mount.host)) for path in mount.host.rglob("*"))

    def path_of(self, mount: Mount) -> str:
        """Return the path of a mount, which is the host's."""
        return str(mount.host)

    def limit_file_size(self, limit: int) -> None:
        """Make every write beyond ``limit`` bytes of a file fail (EFBIG)."""
        with self._reaping:
            if not self._gone.is_set():
                resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, limit))

    def remove(self) -> None:
        """Kill it and wait until it is reaped and all its output is delivered."""
        self.kill()
        self._input.put(None)
        self._waiter.join()
        self._give_back(self._address)

    def _signal(self, number: signal.Signals, *, group: bool = True) -> None:
        with self._reaping:
            if self._gone.is_set():
                return
            if group:
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._process.pid, number)

    def _read(self, pipe: IO[bytes], stream: Literal["out", "err"]) -> None:
        splitter = LineSplitter()
        with pipe:
            while chunk := pipe.read(READ_SIZE):
                for line in splitter.feed(chunk):
                    self._sink.line(stream, line, complete=True)
        if rest := splitter.rest():
            self._sink.line(stream, rest, complete=False)

    def _write(self, pipe: IO[bytes]) -> None:
        # A raw pipe may take only a part; a pipe without a reader fails, even on close.
        try:
            with pipe:
                while (data := self._input.get()) is not None:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[pipe.write(rest) :]
        except BrokenPipeError:
            return

    def _wait(self) -> None:
        pid = self._process.pid
        if hasattr(os, "waitid"):
            # WNOWAIT leaves a zombie, so the process ID stays this node's until it is reaped.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()  # macOS before Python 3.13
        # Processes that the node leaves running die with it, as in a container.
        with self._reaping, suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with self._reaping:
            exit_code = self._process.wait()
            self._gone.set()
        self._input.put(None)
        for reader in self._readers:
            reader.join(STREAMS_END_S)
        self._sink.ended(Ended(exit_code))

    def _thread(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        name = f"{target.__name__.strip('_')} {self._process.pid}"
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        return thread


def _as_seen(argument: Argument, address: str) -> str:
    if isinstance(argument, Placed):
        return str(argument.mount.host / argument.inside)
    if isinstance(argument, OwnAddress):
        return f"{argument.prefix}{address}{argument.suffix}"
    return argument


def _drop_powers() -> tuple[str, ...]:
    """Return the prefix that makes a command run by root drop its capabilities."""
    setpriv = shutil.which("setpriv") if os.geteuid() == 0 else None
    return (setpriv, *WITHOUT_POWERS) if setpriv else ()


def _mounting(*, apart: bool) -> tuple[str, ...]:
    """Return the prefix that gives a command the right to mount, ``apart`` from everybody else.

    Others than root get a mount namespace in a user namespace, where the system allows that, and
    mount for all with fusermount.
    """
    unshare = (shutil.which("unshare") or "",)
    if os.geteuid() != 0:
        return (*unshare, "--user", "--map-root-user", *APART) if apart else ()
    setpriv = shutil.which("setpriv")
    return (
        *((*unshare, *APART) if apart else ()),
        *((setpriv, *WITH_MOUNTS) if setpriv else ()),
    )


def _can_mount() -> bool:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*_mounting(apart=True), "true"], capture_output=True, check=False)
    return tried.returncode == 0


def _naming(hosts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the prefix that makes a command know host names: a hosts file that nobody else has."""
    if not hosts:
        return ()
    mapped = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    text = "".join(f"{address} {name}\n" for name, address in hosts.items())
    return ("unshare", *mapped, *APART, "sh", "-c", WITH_HOSTS, "sh", text)


def _can_name() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = [*_naming({"a-name": "127.0.0.1"}), "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _require_program(name: Argument) -> None:
    # Behind setpriv a missing program would look like a node that started and exited.
    if shutil.which(str(name)) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(name))


def _multicast_works() -> bool:
    """Whether a multicast from one loopback address is received at another."""
    group, interface = (socket.inet_aton(ip) for ip in ("224.0.0.251", "127.0.0.1"))
    with (
        suppress(OSError),
        socket.socket(type=socket.SOCK_DGRAM) as hearing,
        socket.socket(type=socket.SOCK_DGRAM) as saying,
    ):
        hearing.settimeout(1.0)
        hearing.bind(("", 0))
        hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + interface)
        saying.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        saying.sendto(b"heard?", ("224.0.0.251", hearing.getsockname()[1]))
        return hearing.recv(16) == b"heard?"
    return False


def _can_bind(address: str, family: socket.AddressFamily = socket.AF_INET) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _has_link_local() -> bool:
    """Whether an interface of the machine, which processes share, has a link-local address."""
    table = Path("/proc/net/if_inet6")
    rows = table.read_text().splitlines() if table.exists() else []
    return any(row.split()[3] == "20" for row in rows)


def _own_pool(label: RunLabel) -> AddressPool:
    # A /16 per runner process; two runs in the same one still have different ports.
    second = 1 + zlib.crc32(str(label).encode()) % 254
    return AddressPool(f"127.{second}.0.0/16", first=2, last=0xFFFE)
