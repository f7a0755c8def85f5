"""The peer's command line: starts it, feeds it, and sees that it exits cleanly."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from peer_cli.commands import Commands
from peer_cli.console import Input, Output
from peer_cli.settings import Settings, read_settings
from peer_cli.startup import StartupError, open_peer

EXIT_CANNOT_START = 2
DISK_THREADS = 32
LAST_OUTPUT_TIMEOUT_S = 5.0


def main() -> None:
    """Run the peer, or print its schema; exits with 0 or 2."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["schema"]:
        _print_schema(arguments[1:])
        return
    settings = read_settings(arguments, os.environ)
    sys.exit(asyncio.run(_run(settings)))


def _print_schema(arguments: Sequence[str]) -> None:
    from peer_cli.schema import json_schema

    if arguments:
        print("peer-cli: schema takes no arguments", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    import json

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `peer-cli schema | head` ends quietly
    print(json.dumps(json_schema(), indent=2))


async def _run(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    leaving = asyncio.Event()
    # asyncio's own choice, six threads on two cores, is for computing; these wait for disks.
    loop.set_default_executor(ThreadPoolExecutor(DISK_THREADS, "disk"))
    # Only protocol lines may reach the real stdout, whatever a library prints.
    protocol_out = os.dup(1)
    os.dup2(2, 1)

    def nobody_reads() -> None:
        loop.call_soon_threadsafe(leaving.set)

    output = Output(protocol_out, nobody_reads)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    try:
        peer = open_peer(settings, output.emit)
    except StartupError as error:
        print(f"peer-cli: {error}", file=sys.stderr)
        return EXIT_CANNOT_START
    commands = Commands(peer.handle, output, leaving)
    try:
        await peer.start()
        Input(0, output, commands.take, leaving.set).start(loop)
        await leaving.wait()
    finally:
        await commands.refuse_waiting()
        await peer.stop()
        await asyncio.to_thread(output.close, LAST_OUTPUT_TIMEOUT_S)
    return 0


if __name__ == "__main__":
    main()
