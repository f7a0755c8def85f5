"""Runs a live node: `python -m scenarios live alpha`."""

import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal

from scenarios.core.backends.base import (
    Backend,
    Ended,
    Handle,
)
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.backends.shared_network import LIVE, LiveDockerBackend, starting
from scenarios.core.fields import text_of
from scenarios.core.label import own_label
from scenarios.core.log import json_object
from scenarios.core.printable import printable
from scenarios.core.timeouts import EXIT_S
from scenarios.family.family import Family
from scenarios.family.live import LiveNode, LivePlace
from scenarios.live.folders import ADDRESS, neighbours, private_folder
from scenarios.live.heard import Heard
from scenarios.live.keyboard import Keyboard
from scenarios.running.backends import Choice, ready_images
from scenarios.running.signals import end_once

# The port that people type after the address; another one only if it is taken.
PORT = 4000

Say = Callable[[str], None]
Show = Callable[[Literal["out", "err"], bytes], None]


def run_live(
    name: str, family: Family, kind: str, choice: Choice, say: Say, say_of_image: Say
) -> int:
    """Run a node until the user or the node ends it; return its exit code.

    A terminal has short forms and readable text; a pipe gets raw lines. Raises BackendError.
    """
    images = ready_images([family], say_of_image) if choice.name == "docker" else {}
    live = family.live[kind]
    with (
        end_once(),
        private_folder(name) as folder,
        closing(_backend(choice, images)) as backend,
    ):
        at_keyboard = sys.stdin.isatty()

        def start(output: Output) -> Handle:
            # Two live nodes that start together must not take the same address.
            with starting():
                address, listen = _where_to_listen(backend)
                program = family.program(live.program).program()
                prepared = live.prepare(LivePlace(name, folder, listen, neighbours()), program)
                if at_keyboard:
                    say(f"{choice.reason} {prepared.says} Type help to see the commands.")
                handle = backend.start(prepared.spec, address, output)
                output.settled.wait()
                return handle

        if not at_keyboard:
            return _raw(start, folder, family, live)
        return _at_keyboard(start, name, folder, family, live)


class Output:
    """A Sink that forwards the node's output, and knows when the node has ended.

    It has settled after the node's first line, which says that it is ready, or after its end.
    """

    def __init__(self, show: Show, on_end: Callable[[], None] = lambda: None) -> None:
        self.over = threading.Event()
        self.settled = threading.Event()
        self.exit_code = 0
        self._show = show
        self._on_end = on_end
        self._lock = threading.Lock()

    def line(self, stream: Literal["out", "err"], data: bytes, *, complete: bool) -> None:
        """Forward a line, with its newline if it had one."""
        with self._lock:
            self._show(stream, data + b"\n" if complete else data)
        if stream == "out":
            self.settled.set()

    def ended(self, ended: Ended) -> None:
        """Record the end."""
        code = ended.exit_code
        # A negative signal becomes the exit code that a shell uses.
        self.exit_code = 1 if code is None else 128 - code if code < 0 else code
        self.over.set()
        self.settled.set()
        self._on_end()

    def end(self, handle: Handle) -> int:
        """End the node by closing stdin, or by force; return its exit code."""
        handle.close_stdin()
        if not self.over.wait(EXIT_S):
            handle.kill()
            self.over.wait()
        return self.exit_code


def _raw(start: Callable[[Output], Handle], folder: Path, family: Family, live: LiveNode) -> int:
    """Forward bytes both ways until stdin or the node ends."""

    def show(stream: Literal["out", "err"], data: bytes) -> None:
        _publish(data, folder, family, live)
        target = sys.stdout if stream == "out" else sys.stderr
        target.buffer.write(data)
        target.buffer.flush()

    output = Output(show)
    handle = start(output)

    def feed() -> None:
        while data := os.read(sys.stdin.fileno(), 1 << 16):
            handle.write(data)
        handle.close_stdin()

    # A daemon thread: it may still wait for input when the node ends first.
    threading.Thread(target=feed, daemon=True).start()
    try:
        output.over.wait()
    except KeyboardInterrupt:
        return output.end(handle)
    return output.exit_code


def _at_keyboard(
    start: Callable[[Output], Handle], name: str, folder: Path, family: Family, live: LiveNode
) -> int:
    main_thread = threading.get_ident()
    heard = Heard()

    def leave_prompt() -> None:
        heard.end()
        # Only a signal to its thread ends a blocked input().
        if keyboard.prompting:
            signal.pthread_kill(main_thread, signal.SIGINT)

    def show(stream: Literal["out", "err"], data: bytes) -> None:
        keyboard.show(stream, data)
        if stream == "out":
            heard.line(data)
        if ready := _publish(data, folder, family, live):
            by = f"by: {next(iter(live.reaches), '')} {name}  (or {ready})"
            how = by if live.reaches else f"at {ready}"
            keyboard.say(f"Another live node reaches it {how}")

    schema = [*family.program(live.program).command(), "schema"]
    keyboard = Keyboard(name, LIVE / "history", family.words, live, schema, neighbours, heard)
    for neighbour, at in neighbours().items():
        how = f"; type {next(iter(live.reaches))} {neighbour}" if live.reaches else ""
        keyboard.say(f"{neighbour} is at {at}{how}")
    output = Output(show, leave_prompt)
    handle = start(output)
    try:
        for message in keyboard.commands():
            heard.begin()
            handle.write(json.dumps(message).encode() + b"\n")
            # Pasted lines arrive together, but each must wait for the previous reply.
            if message.get("cmd") == "shutdown" or not heard.wait_reply():
                break
    except KeyboardInterrupt:
        keyboard.say("")
    finally:
        code = output.end(handle)
        keyboard.close()
    return code


def _backend(choice: Choice, images: Mapping[str, str]) -> Backend:
    label = own_label(f"live-{secrets.token_hex(3)}")
    if choice.name == "docker":
        return LiveDockerBackend(label, images)
    return ProcessBackend(label)


def _where_to_listen(backend: Backend) -> tuple[str, str]:
    """Return the node's address, and the address and port to listen on."""
    if backend.name != "process":
        address = backend.new_address()
        return address, f"{address}:{PORT}"
    # The first free ones, which are short to type: 127.0.0.2:4000.
    for address in (*(f"127.0.0.{last}" for last in range(2, 255)), "127.0.0.1"):
        with socket.socket() as probe:
            try:
                probe.bind((address, PORT))
            except OSError:
                continue
            return address, f"{address}:{PORT}"
    return "127.0.0.1", "127.0.0.1:0"


def _publish(line: bytes, folder: Path, family: Family, live: LiveNode) -> str | None:
    """Tell other live nodes this one's address, and return it, if the line is its ready event."""
    ready = _address_in(line, live.ready_event or family.words.ready_event, live.address)
    if ready:
        (folder / ADDRESS).write_text(ready, encoding="utf-8")
    return ready


def _address_in(line: bytes, ready_event: str, field: str) -> str | None:
    """Return the address of a node, if the line is its ready event."""
    if ready_event.encode() not in line:
        return None
    message = json_object(line.decode("utf-8", "backslashreplace"))
    if message is None or message.get("event") != ready_event:
        return None
    data = message.get("data")
    return printable(text_of(data, field)) or None if isinstance(data, dict) else None
