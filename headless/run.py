"""From ready to exit: reads commands, writes replies and events, ends gracefully."""

import asyncio
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Collection
from typing import Any

from headless.dispatch import Dispatcher, Input, LineDecoder
from headless.output import Output
from headless.service import Service
from headless.vocabulary import Vocabulary

LAST_OUTPUT_TIMEOUT_S = 5.0


def run(
    vocabulary: Vocabulary,
    serve: Callable[[], Service],
    output: Output,
    ending: Collection[signal.Signals],
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run a service until `shutdown`, the end of input or of its reader, or a signal in `ending`.

    `serve` is called on the event loop. The signals are blocked until they can be handled.
    """
    # asyncio's warnings report broken connections, which are normal here. Unhandled exceptions go
    # to the handler below.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_run(LineDecoder(vocabulary), serve, output, ending))


async def _run(
    decoder: LineDecoder,
    serve: Callable[[], Service],
    output: Output,
    ending: Collection[signal.Signals],
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    leaving = asyncio.Event()
    for number in ending:
        loop.add_signal_handler(number, leaving.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
    output.on_closed(lambda: loop.call_soon_threadsafe(leaving.set))
    service = serve()
    dispatcher = Dispatcher(decoder, service.handle, output, leaving)
    try:
        await service.start()
        Input(0, dispatcher.take, leaving.set).start(loop)
        await leaving.wait()
    finally:
        await dispatcher.refuse_waiting()
        await service.stop()
        await asyncio.to_thread(output.close, LAST_OUTPUT_TIMEOUT_S)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report an unhandled exception: a bug, usually in a background task."""
    what = context.get("task") or context.get("future") or context.get("handle")
    print(f"{context['message']}: {what!r}", file=sys.stderr)
    error = context.get("exception")
    if isinstance(error, type):  # aiofastnet gives the class alone when a TLS handshake fails
        print(error.__name__, file=sys.stderr)
    elif error is not None:
        traceback.print_exception(error)
