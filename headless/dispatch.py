"""Dispatches the commands on stdin: each gets exactly one reply."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from headless.envelope import Command, CommandError, Empty, JsonScalar, Shutdown, Value
from headless.output import Output
from headless.vocabulary import LineDecoder, Request

MAX_WAITING_COMMANDS = 1024


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
