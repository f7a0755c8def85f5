"""From stdin to replies: reads lines, decodes commands, dispatches them.

A thread reads the plain descriptor, so a slow read blocks nothing. It reads no further until the
lines it has read are taken.
"""

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

import msgspec

from headless.descriptors import read_some
from headless.envelope import (
    MAX_LINE_BYTES,
    Command,
    CommandError,
    Empty,
    JsonScalar,
    Shutdown,
    Value,
)
from headless.output import Output
from headless.vocabulary import Vocabulary

READ_BYTES = 64 << 10
MAX_WAITING_COMMANDS = 1024


class Input:
    """Reads lines from a descriptor in a thread and passes them to the event loop in order."""

    def __init__(
        self,
        descriptor: int,
        on_lines: Callable[[list[bytes]], Coroutine[Any, Any, None]],
        on_end: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._on_lines = on_lines
        self._on_end = on_end

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start reading. The thread is a daemon: a read cannot be interrupted."""
        threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        splitter = LineSplitter(MAX_LINE_BYTES)
        try:
            while True:
                data = self._read_some()
                lines = splitter.feed(data) if data else splitter.end()
                if lines and not self._hand_over(lines, loop):
                    return
                if not data:
                    loop.call_soon_threadsafe(self._on_end)
                    return
        except RuntimeError:
            return  # the loop is closed, because the program is exiting

    def _read_some(self) -> bytes:
        try:
            return read_some(self._descriptor, READ_BYTES)
        except OSError:
            return b""  # a terminal that is gone or a closed descriptor counts as the end

    def _hand_over(self, lines: list[bytes], loop: asyncio.AbstractEventLoop) -> bool:
        """Return True once all lines are taken, False when the program exits first."""
        taking = self._on_lines(lines)
        try:
            taken = asyncio.run_coroutine_threadsafe(taking, loop)
        except RuntimeError:
            taking.close()
            raise
        try:
            taken.result()
        except CancelledError:
            return False
        return True


class LineSplitter:
    """Splits bytes into lines. Keeps only the first limit + 1 bytes of an over-long line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are now complete, without line endings."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        self._rest = self._rest[: self._limit + 1]
        return [line[: self._limit + 1] for line in lines]

    def end(self) -> list[bytes]:
        """Return the last line if it has no line ending."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class Request(msgspec.Struct, frozen=True):
    """A decoded line: a command or an error, with the id to echo."""

    id: JsonScalar
    command: Command | CommandError


class LineDecoder:
    """Decodes lines of stdin into the commands of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._commands = vocabulary.commands()
        self._aliases = vocabulary.aliases

    def decode(self, line: bytes) -> Request:
        """Decode one line. Never raises: the request has the error."""
        if len(line) > MAX_LINE_BYTES:
            return Request(
                None,
                CommandError("line-too-long", f"The line is over {MAX_LINE_BYTES} bytes long."),
            )
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Request(
                None,
                CommandError("bad-json", f"Expected one JSON object on the line: {error}."),
            )
        if not isinstance(message, dict):
            kind = type(message).__name__
            return Request(
                None,
                CommandError("bad-request", f"Expected a JSON object on the line, got {kind}."),
            )
        request_id = message.pop("id", None)
        if request_id is not None and not isinstance(request_id, str | int | float | bool):
            return Request(None, CommandError("bad-request", "`id` must be a JSON scalar."))
        try:
            return Request(request_id, self._decode_command(message))
        except CommandError as error:
            return Request(request_id, error)

    def _decode_command(self, message: dict[str, Any]) -> Command:
        names = [message.pop(key) for key in ("cmd", "command") if key in message]
        if len(names) != 1 or not isinstance(names[0], str):
            raise CommandError("bad-request", 'Expected the command\'s name as a string in "cmd".')
        kind = self._commands.get(self._aliases.get(names[0], names[0]))
        if kind is None:
            known = ", ".join(self._commands)
            raise CommandError(
                "unknown-command", f"Unknown command {names[0][:100]!r}; expected one of: {known}."
            )
        try:
            return msgspec.convert(message, kind)
        except msgspec.ValidationError as error:
            raise CommandError("bad-argument", f"Bad arguments of {names[0]}: {error}.") from None


class Dispatcher:
    """Runs the commands on lines from stdin; each gets exactly one reply.

    Commands that can be answered at once are answered in order. The others wait in tasks of their
    own and block nothing.
    """

    def __init__(
        self,
        decoder: LineDecoder,
        handle: Callable[[Command], Awaitable[Value]],
        output: Output,
        leaving: asyncio.Event,
    ) -> None:
        self._decoder = decoder
        self._handle = handle
        self._output = output
        self._leaving = leaving
        self._waiting: set[asyncio.Task[None]] = set()

    async def take(self, lines: list[bytes]) -> None:
        """Run the commands on these lines, no faster than the replies are read."""
        for line in lines:
            await self._output.caught_up()
            self._take(self._decoder.decode(line))
            # Lets the command start, and so answer at once if it can, before the next one.
            await asyncio.sleep(0)

    def _take(self, request: Request) -> None:
        if isinstance(request.command, CommandError):
            self._output.error(request.id, request.command)
        elif self._leaving.is_set():
            self._output.error(request.id, _shutting_down())
        elif isinstance(request.command, Shutdown):
            self._output.result(request.id, Empty())
            self._leaving.set()
        elif len(self._waiting) >= MAX_WAITING_COMMANDS:
            text = f"{MAX_WAITING_COMMANDS} commands are already waiting for their replies."
            self._output.error(request.id, CommandError("busy", text))
        else:
            self._start(request, request.command)

    async def refuse_waiting(self) -> None:
        """Answer the commands that are still waiting, at shutdown."""
        for task in self._waiting:
            task.cancel()
        if self._waiting:
            await asyncio.wait(list(self._waiting))

    def _start(self, request: Request, command: Command) -> None:
        # Tasks start in the order in which they are made, so quick commands keep their order.
        work = self._answer(request.id, command)
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer(self, request_id: JsonScalar, command: Command) -> None:
        try:
            result = await self._handle(command)
        except CommandError as error:
            self._output.error(request_id, error)
        except asyncio.CancelledError:
            self._output.error(request_id, _shutting_down())
        except Exception:  # noqa: BLE001 - the outermost edge: every command gets a reply
            traceback.print_exc()
            text = "The program has a bug; see its stderr. The command was not carried out."
            self._output.error(request_id, CommandError("internal-error", text))
        else:
            self._output.result(request_id, result)


def _shutting_down() -> CommandError:
    return CommandError("shutting-down", "The program is shutting down.")
