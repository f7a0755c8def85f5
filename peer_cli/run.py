"""Builds the peer from its opened resources; imported once the peer is ready."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from headless.output import Output
from peer_cli.library.index import ContentIndex
from peer_cli.peer import LocalPeer
from peer_cli.startup import Opened

DISK_THREADS = 32


def make_peer(opened: Opened, output: Output) -> LocalPeer:
    """Return the peer, not yet started. Call it on the peer's event loop."""
    # asyncio's default, six threads on two cores, is sized for computing; these wait for disks.
    disk = ThreadPoolExecutor(DISK_THREADS, "disk")
    asyncio.get_running_loop().set_default_executor(disk)
    return LocalPeer(opened, ContentIndex(opened.settings.state_dir / "index.db"), output)
