"""The peer's life from ready to exit: commands in, replies and events out, a graceful end."""

import asyncio
import logging
import signal
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from peer_cli.commands import Commands
from peer_cli.console import Input, Output
from peer_cli.library.index import ContentIndex
from peer_cli.peer import Peer
from peer_cli.startup import Opened

DISK_THREADS = 32
LAST_OUTPUT_TIMEOUT_S = 5.0


def run(opened: Opened, output: Output, ending: Collection[signal.Signals]) -> None:
    """Run the peer until `shutdown`, the end of input or of its reader, or a signal in `ending`."""
    # Hostile or broken connections end in many ways; asyncio's own notes about them help nobody.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(_run(opened, output, ending))


async def _run(opened: Opened, output: Output, ending: Collection[signal.Signals]) -> None:
    loop = asyncio.get_running_loop()
    leaving = asyncio.Event()
    # asyncio's own choice, six threads on two cores, is for computing; these wait for disks.
    loop.set_default_executor(ThreadPoolExecutor(DISK_THREADS, "disk"))
    for number in ending:
        loop.add_signal_handler(number, leaving.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
    output.on_closed(lambda: loop.call_soon_threadsafe(leaving.set))
    peer = Peer(opened, ContentIndex(opened.settings.state_dir / "index.db"), output.emit)
    commands = Commands(peer.handle, output, leaving)
    try:
        await peer.start()
        Input(0, output, commands.take, leaving.set).start(loop)
        await leaving.wait()
    finally:
        await commands.refuse_waiting()
        await peer.stop()
        await asyncio.to_thread(output.close, LAST_OUTPUT_TIMEOUT_S)
