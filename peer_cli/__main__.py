"""The peer as a program.

Everything imported here delays the ready event, so it is little (see startup).
"""

import sys
from collections.abc import Sequence

from headless import program
from headless.output import Output
from headless.program import Program
from headless.service import Service
from peer_cli.messages import VOCABULARY
from peer_cli.settings import read_settings
from peer_cli.startup import Opened, open_peer

DISK_THREADS = 32


def _serve(opened: Opened, output: Output) -> Service:
    # On the event loop, once the peer is ready.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from peer_cli.library.index import ContentIndex
    from peer_cli.peer import LocalPeer

    # asyncio's default, six threads on two cores, is sized for computing; these wait for disks.
    disk = ThreadPoolExecutor(DISK_THREADS, "disk")
    asyncio.get_running_loop().set_default_executor(disk)
    return LocalPeer(opened, ContentIndex(opened.settings.state_dir / "index.db"), output)


def _swarm_key(arguments: Sequence[str]) -> None:
    from network.swarm_key import new_key

    if arguments:
        print("peer-cli: swarm-key takes no arguments; it prints a new key", file=sys.stderr)
        sys.exit(program.EXIT_CANNOT_START)
    print(new_key())


def _catalog(arguments: Sequence[str]) -> None:
    from peer_cli.catalog_tool import main as catalog

    catalog(arguments)


def main() -> None:
    """Run the peer, or one of its tools; exits with 0 or 2."""
    tools = {"catalog": _catalog, "swarm-key": _swarm_key}
    program.main(Program(VOCABULARY, read_settings, open_peer, _serve, tools))


if __name__ == "__main__":
    main()
