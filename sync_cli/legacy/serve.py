"""Serves files to legacy peers: one connection for each."""

import asyncio
import errno
import os
import socket
import threading
from pathlib import Path

from headless.once import Once
from headless.tasks import end_tasks
from headless.texts import printable
from network.address import Address
from network.limits import RateLimiter
from network.places import Places
from sync_cli.legacy import wire
from sync_cli.legacy.files import open_served
from sync_cli.legacy.stream import StalledError, Stream
from sync_cli.startup import report

NAME_TIMEOUT_S = 30.0
MAX_SERVED = 256  # at once
MAX_SERVED_PER_ADDRESS = 64


class LegacyServer:
    """Answers requests for the files of a folder."""

    def __init__(self, folder: Path, upload: RateLimiter) -> None:
        self._folder = folder
        self._upload = upload
        self._stopped = threading.Event()
        self._report = Once(report)
        self._served: Places[asyncio.Task[None]] = Places(MAX_SERVED, MAX_SERVED_PER_ADDRESS)

    async def greet(self, connection: socket.socket, origin: Address) -> None:
        """Read which file is wanted, and begin to send it."""
        stream = Stream(connection)
        try:
            line = await stream.line(wire.MAX_NAME_BYTES, NAME_TIMEOUT_S)
            place_to_clear = self._served.newest_to_evict(origin.ip)
        except (OSError, StalledError, wire.WireError, LookupError):
            stream.close()
            return
        except asyncio.CancelledError:
            stream.close()
            raise
        if place_to_clear is not None:
            place_to_clear.cancel()
        task = asyncio.create_task(self._serve(stream, line))
        self._served.add(task, origin.ip)
        task.add_done_callback(lambda done: self._served.remove(done, origin.ip))

    async def stop(self) -> None:
        """End what is being sent."""
        self._stopped.set()
        await end_tasks(self._served.all())

    async def _serve(self, stream: Stream, line: bytes | None) -> None:
        name = "" if line is None else wire.decode_request(line)
        opened = self._opened(name)
        try:
            if opened is not None:
                file, length = opened
                await stream.send(wire.encode_header(length))
                if await stream.send_file(file, length, self._upload, self._stopped):
                    await stream.end()
        except OSError as error:  # the receiver is gone, or sees an early end
            if error.errno == errno.EIO:  # no socket raises it
                self._report(f"{printable(name)} cannot be sent: {error.strerror}")
        except StalledError:
            pass
        finally:
            if opened is not None:
                os.close(opened[0])
            stream.close()

    def _opened(self, name: str) -> tuple[int, int] | None:
        try:
            return open_served(self._folder, name)
        except OSError as error:
            self._report(f"{printable(name)} cannot be sent: {error.strerror}")
            return None
