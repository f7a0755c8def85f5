"""A peer at your keyboard: `python -m scenarios live alpha`."""

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import fixtures
from fixtures.build import exclusive
from scenarios.backends import ready_image
from scenarios.core.backends.base import (
    Backend,
    Ended,
    Handle,
    Mount,
    NodeSpec,
    Placed,
    Sink,
)
from scenarios.core.backends.choose import Choice
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.timeouts import EXIT_S
from scenarios.lan_spread.specs import PEER
from scenarios.live_keyboard import Keyboard
from scenarios.live_network import LiveDockerBackend
from scenarios.run import ROOT, terminate_like_ctrl_c

LIVE = ROOT / ".cache" / "live"
# What people type after the address; another one only where this is taken.
PORT = 4000

Say = Callable[[str], None]
Show = Callable[[Literal["out", "err"], bytes], None]


def run_live(name: str, choice: Choice, say: Say, say_of_image: Say) -> int:
    """Run a peer until the person or the peer ends it; return the peer's exit code.

    A terminal gets short forms and readable text, anything else raw lines. Raises BackendError.
    """
    image = ready_image(say_of_image) if choice.name == "docker" else ""
    with (
        terminate_like_ctrl_c(),
        _private_folder(name) as folder,
        closing(_backend(choice, name, image)) as backend,
    ):
        copied = _copy_games(name, folder / "games")
        (folder / "state").mkdir()
        start = partial(_start, backend, name, folder)
        if not sys.stdin.isatty():
            return _raw(start)
        say(f"{choice.reason} Its games: {copied}. Type help to see the commands.")
        return _at_keyboard(start, name, folder)


class Output:
    """Takes what the peer says (a Sink) and passes it on; knows when the peer has ended."""

    def __init__(self, show: Show, on_end: Callable[[], None] = lambda: None) -> None:
        self.over = threading.Event()
        self.exit_code = 0
        self._show = show
        self._on_end = on_end
        self._lock = threading.Lock()

    def line(self, stream: Literal["out", "err"], data: bytes, *, complete: bool) -> None:
        """Pass a line on; with its newline, if it had one."""
        with self._lock:
            self._show(stream, data + b"\n" if complete else data)

    def ended(self, ended: Ended) -> None:
        """Note the end."""
        code = ended.exit_code
        # Minus a signal becomes what a shell says of it.
        self.exit_code = 1 if code is None else 128 - code if code < 0 else code
        self.over.set()
        self._on_end()

    def end(self, handle: Handle) -> int:
        """End the peer as a closed stdin does, or by force if it will not; return its code."""
        handle.close_stdin()
        if not self.over.wait(EXIT_S):
            handle.kill()
            self.over.wait()
        return self.exit_code


def _raw(start: Callable[[Sink], Handle]) -> int:
    """Pass bytes through, both ways, until stdin or the peer ends."""

    def show(stream: Literal["out", "err"], data: bytes) -> None:
        target = sys.stdout if stream == "out" else sys.stderr
        target.buffer.write(data)
        target.buffer.flush()

    output = Output(show)
    handle = start(output)

    def feed() -> None:
        while data := os.read(sys.stdin.fileno(), 1 << 16):
            handle.write(data)
        handle.close_stdin()

    # A daemon: when the peer ends first, nobody may be left waiting for input.
    threading.Thread(target=feed, daemon=True).start()
    try:
        output.over.wait()
    except KeyboardInterrupt:
        return output.end(handle)
    return output.exit_code


def _at_keyboard(start: Callable[[Sink], Handle], name: str, folder: Path) -> int:
    main_thread = threading.get_ident()

    def leave_prompt() -> None:
        # The only way to end an input() that waits: a signal to the thread it waits in.
        if keyboard.prompting:
            signal.pthread_kill(main_thread, signal.SIGINT)

    def show(stream: Literal["out", "err"], data: bytes) -> None:
        keyboard.show(stream, data)
        if ready := _ready_address(data):
            (folder / "address").write_text(ready, encoding="utf-8")
            keyboard.say(f"Another live peer reaches it by: connect {name}  (or {ready})")

    keyboard = Keyboard(name, LIVE / "history", neighbours)
    for neighbour, at in neighbours().items():
        keyboard.say(f"{neighbour} is at {at}; type connect {neighbour}")
    output = Output(show, leave_prompt)
    handle = start(output)
    try:
        for message in keyboard.commands():
            handle.write(json.dumps(message).encode() + b"\n")
            if message.get("cmd") == "shutdown":
                break
    except KeyboardInterrupt:
        keyboard.say("")
    finally:
        code = output.end(handle)
        keyboard.close()
    return code


def neighbours() -> dict[str, str]:
    """Return name to address of the live peers that run now on this machine."""
    found = {}
    for folder in sorted(LIVE.glob("*-*/")):
        address = folder / "address"
        if address.exists() and not _is_abandoned(folder):
            found[folder.name.rpartition("-")[0]] = address.read_text(encoding="utf-8")
    return found


@contextmanager
def _private_folder(name: str) -> Iterator[Path]:
    """Give a folder for this session's games and state; remove it, and those of dead sessions."""
    LIVE.mkdir(parents=True, exist_ok=True)
    for folder in LIVE.glob("*-*/"):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
    made = tempfile.TemporaryDirectory(prefix=f"{name}-", dir=LIVE, ignore_cleanup_errors=True)
    with made as own, exclusive(Path(own, "lock")):
        yield Path(own)


def _is_abandoned(folder: Path) -> bool:
    """Whether no session holds the folder's lock; the system drops it with the process."""
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return False  # just being made, or just going
    return True


def _copy_games(name: str, target: Path) -> str:
    """Copy the games, so that nothing done here changes the fixture; say what they are."""
    try:
        source = fixtures.games_dir(f"fixture-{name}")
    except ValueError:
        target.mkdir()
        return "none"
    shutil.copytree(source, target)
    return "a copy of " + ", ".join(sorted(path.name for path in target.iterdir()))


def _backend(choice: Choice, name: str, image: str) -> Backend:
    label = own_label(f"live-{secrets.token_hex(3)}")
    if choice.name == "docker":
        return LiveDockerBackend(label, image=lambda: image)
    return ProcessBackend(label)


def _start(backend: Backend, name: str, folder: Path, output: Sink) -> Handle:
    # Two sessions that start at once must not take one address.
    with exclusive(LIVE / "start-lock"):
        address, listen = _where_to_listen(backend)
        return backend.start(_peer(name, folder, listen), address, output)


def _where_to_listen(backend: Backend) -> tuple[str, str]:
    """Return the node's address and what it is told to listen on."""
    if backend.name != "process":
        address = backend.new_address()
        return address, f"{address}:{PORT}"
    # The first free ones, so that what has to be typed stays short: 127.0.0.2:4000.
    for address in (*(f"127.0.0.{last}" for last in range(2, 255)), "127.0.0.1"):
        with socket.socket() as probe:
            try:
                probe.bind((address, PORT))
            except OSError:
                continue
            return address, f"{address}:{PORT}"
    return "127.0.0.1", "127.0.0.1:0"


def _peer(name: str, folder: Path, listen: str) -> NodeSpec:
    catalog = fixtures.catalog_path()
    return NodeSpec(
        name=name,
        program=PEER,
        arguments=(
            *("--name", name),
            *("--games-dir", Placed(Mount(folder / "games", writable=True))),
            *("--state-dir", Placed(Mount(folder / "state", writable=True))),
            *("--catalog-db", Placed(Mount(catalog.parent), catalog.name)),
            *("--listen", listen),
        ),
    )


def _ready_address(line: bytes) -> str | None:
    if b"local-peer-ready" not in line:
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return str(message["data"]["addr"]) if message.get("event") == "local-peer-ready" else None
