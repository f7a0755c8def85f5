"""The commands on stdin: each gets exactly one reply."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from peer_cli import messages
from peer_cli.console import Output
from peer_cli.messages import CommandError, Request, decode_line


class Commands:
    """Takes lines from stdin; sees that each gets exactly one reply.

    What can be answered at once is answered in order; what has to wait does so on its own, and
    holds up nothing.
    """

    def __init__(
        self,
        handle: Callable[[messages.Command], Awaitable[messages.Result]],
        output: Output,
        leaving: asyncio.Event,
    ) -> None:
        self._handle = handle
        self._output = output
        self._leaving = leaving
        self._waiting: set[asyncio.Task[None]] = set()

    def take(self, lines: list[bytes]) -> None:
        """Carry out the commands on these lines."""
        for line in lines:
            request = decode_line(line)
            if isinstance(request.command, CommandError):
                self._output.error(request.id, request.command)
            elif self._leaving.is_set():
                self._output.error(request.id, _leaving_error())
            elif isinstance(request.command, messages.Shutdown):
                self._output.result(request.id, messages.Empty())
                self._leaving.set()
            else:
                self._start(request, request.command)

    async def refuse_waiting(self) -> None:
        """Answer the commands that still wait, at shutdown."""
        for task in self._waiting:
            task.cancel()
        if self._waiting:
            await asyncio.wait(list(self._waiting))

    def _start(self, request: Request, command: messages.Command) -> None:
        # Tasks begin in the order in which they are made, so quick commands keep theirs.
        work = self._answer(request.id, command)
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer(self, request_id: messages.JsonScalar, command: messages.Command) -> None:
        try:
            result = await self._handle(command)
        except CommandError as error:
            self._output.error(request_id, error)
        except asyncio.CancelledError:
            self._output.error(request_id, _leaving_error())
        except Exception:  # noqa: BLE001 - the outermost edge: every command gets a reply
            traceback.print_exc()
            text = "The peer has a defect, see its stderr; the command was not carried out."
            self._output.error(request_id, CommandError("internal-error", text))
        else:
            self._output.result(request_id, result)


def _leaving_error() -> CommandError:
    return CommandError("shutting-down", "The peer is shutting down.")
