"""TCP at both ends of a tunnel: listeners that open and close, and connections to targets."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from network import descriptors

RETRY_S = 0.2  # when a port is still in use
BACKLOG = 1024
_NO_LINGER = struct.pack("@ii", 1, 0)


class ListenerError(Exception):
    """A listener cannot open; the message says in one line which and why."""


class Listener:
    """The listening socket of a tunnel. A closed listener has no socket.

    Port 0 means any free port, chosen when it first opens and then kept.
    """

    def __init__(
        self, tunnel: str, host: str, port: int, on_accept: Callable[[str, socket.socket], None]
    ) -> None:
        self.tunnel = tunnel
        self.host = host
        self.port = port
        self._on_accept = on_accept
        self._socket: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._shortage = descriptors.Shortage(f"tunnel-cli: the tunnel {tunnel}")

    @property
    def is_open(self) -> bool:
        """Whether it accepts connections."""
        return self._socket is not None

    def open(self) -> str:
        """Open it and return its address. Raises ListenerError."""
        try:
            self._socket = listening_socket(self.host, self.port)
        except OSError as error:
            raise ListenerError(
                f"Cannot listen on {self.host}:{self.port} for the tunnel {self.tunnel}: "
                f"{error.strerror or error}."
            ) from error
        ip, self.port = self._socket.getsockname()[:2]
        self._watch()
        return address_text(ip, self.port)

    def close(self) -> None:
        """Close it, and reset connections that the system has queued."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _watch(self) -> None:
        self._retry = None
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        while self._socket is not None:
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if not self._shortage.met(error):
                    continue  # the connection was gone before it was accepted
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._socket)
                self._retry = loop.call_later(descriptors.PAUSE_S, self._watch)
                return
            self._shortage.over()
            self._on_accept(self.tunnel, connection)


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


async def dial(host: str, port: int) -> socket.socket:
    """Connect to the first address of a host that answers. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:  # an address needs no thread to be looked up
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    last: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            last = error
        except BaseException:
            made.close()  # on a cancel too, leave no socket open
            raise
        else:
            return made
    raise last


def reset(connection: socket.socket) -> None:
    """Close a socket so that the other end gets a reset, not an orderly end."""
    with connection, contextlib.suppress(OSError):  # it may already be gone
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def peer_of(connection: socket.socket) -> str:
    """Return the address of a socket's other end, or "" if it is no longer connected."""
    with contextlib.suppress(OSError):
        ip, port = connection.getpeername()[:2]
        return address_text(ip, port)
    return ""


def address_text(ip: str, port: int) -> str:
    """Return an address as people write it."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
