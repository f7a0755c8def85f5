"""Nodes as plain processes, each on a loopback address of its own where the system allows it."""

import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from scenarios.core.backends.base import (
    AddressPool,
    Argument,
    BackendError,
    Capability,
    Capture,
    Ended,
    LineSplitter,
    Mount,
    NodeSpec,
    OwnAddress,
    Placed,
    Sink,
    Unsupported,
)
from scenarios.core.capture import start_capture
from scenarios.core.label import ENVIRONMENT_NAME, RunLabel

# As in a container, a node gets no other variables than these and its own: runs are alike.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
READ_SIZE = 256 * 1024
# A grandchild that fled the process group could hold a stream open for ever.
STREAMS_END_S = 5.0


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
        """No disconnecting; addresses of one's own where the system has all of 127/8."""
        found = {
            Capability.OWN_ADDRESSES: self._pool is not None,
            Capability.SMALL_DISK: hasattr(resource, "prlimit"),  # Linux
        }
        return frozenset(capability for capability, there in found.items() if there)

    def new_address(self) -> str:
        """Lease the next loopback address; where there is only 127.0.0.1, always that."""
        return self._pool.lease() if self._pool else "127.0.0.1"

    def start(self, spec: NodeSpec, address: str, sink: Sink) -> "ProcessHandle":
        """Start a node in a session of its own; raises BackendError."""
        if self._pool:
            self._pool.claim(address)
        arguments = (*spec.program.command, *spec.arguments)
        command = [_as_seen(argument, address) for argument in arguments]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        limits = [mount.limit_bytes for mount in spec.all_mounts() if mount.limit_bytes]
        if limits and Capability.SMALL_DISK not in self.capabilities:
            raise Unsupported("Small disks need --backend docker here: there is no prlimit.")
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, **spec.env, ENVIRONMENT_NAME: str(self._label)},
                # Ctrl-C reaches the runner only, and signals reach the node's helpers too.
                start_new_session=True,
                # SIGXFSZ stays ignored under a file-size limit: the write fails instead.
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

    def capture(self, address: str, file: Path) -> Capture:
        """Begin to write what passes the loopback from or to an address; raises BackendError."""
        loopback = "lo" if sys.platform == "linux" else "lo0"
        return start_capture(loopback, address, file, {ENVIRONMENT_NAME: str(self._label)})

    def versions(self) -> dict[str, str]:
        """Return the system's name and release."""
        system = os.uname()
        return {"system": f"{system.sysname} {system.release} {system.machine}"}

    def close(self) -> None:
        """Kill and reap every node; again: no effect."""
        with self._lock:
            handles, self._handles = self._handles, []
        for handle in handles:
            handle.remove()

    def _give_back(self, address: str) -> None:
        if self._pool:
            self._pool.give_back(address)


class ProcessHandle:
    """One process with its readers, its writer and its waiter."""

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
        # Held while a signal is sent and while the process is reaped, so that no signal can reach
        # a stranger who got the same process ID.
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
        """The loopback address it was given."""
        return self._address

    def write(self, data: bytes) -> None:
        """Queue bytes for stdin; a thread writes them, however slowly the node reads."""
        self._input.put(data)

    def close_stdin(self) -> None:
        """Close stdin behind everything queued."""
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
        """Raise Unsupported: one process cannot be cut off the loopback."""
        raise Unsupported(
            "The process backend cannot cut a node off the network; run this with --backend docker."
        )

    def reconnect(self, address: str | None) -> None:
        """Raise Unsupported, as disconnect does."""
        self.disconnect()

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative path of everything below a mount."""
        return frozenset(str(path.relative_to(mount.host)) for path in mount.host.rglob("*"))

    def limit_file_size(self, limit: int) -> None:
        """Let every write beyond ``limit`` bytes into a file fail (EFBIG)."""
        with self._reaping:
            if not self._gone.is_set():
                resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, limit))

    def remove(self) -> None:
        """Kill it and wait until it is reaped and all it wrote is delivered."""
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
        # A raw pipe may take a part only; a pipe whose reader is gone breaks, also on close.
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
            # WNOWAIT leaves a zombie, so the process ID still is this node's until it is reaped.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()  # macOS before Python 3.13
        # What a node leaves running dies with it, as it would in a container.
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
        return f"{address}{argument.suffix}"
    return argument


def _can_bind(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _own_pool(label: RunLabel) -> AddressPool:
    # A /16 per runner process; two runs in the same one would still differ in their ports.
    second = 1 + zlib.crc32(str(label).encode()) % 254
    return AddressPool(f"127.{second}.0.0/16", first=2, last=0xFFFE)
