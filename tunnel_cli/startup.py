"""Opens everything that a node needs to be ready, or says in one line what prevents it."""

import ipaddress
import socket
import ssl
import sys
from typing import NamedTuple

from headless.program import Emit, StartupError
from tunnel_cli import messages
from tunnel_cli.config import Config
from tunnel_cli.ports import address_text, listening_socket
from tunnel_cli.tls import TlsError, client_context, pinned_keys, server_context
from tunnel_cli.wire import PROTOCOL


class Opened(NamedTuple):
    """The resources a node starts with; `listening` is for a server."""

    config: Config
    tls: ssl.SSLContext | None
    pins: frozenset[bytes] | None
    listening: socket.socket | None


def open_node(config: Config, emit: Emit) -> Opened:
    """Read certificates, bind a server's port, and emit the ready event.

    Raises StartupError.
    """
    try:
        tls = server_context(config) if config.is_server else client_context(config)
        pins = pinned_keys(config)
    except TlsError as error:
        raise StartupError(str(error)) from error
    listening = _bind(config) if config.is_server else None
    addr = address_text(*listening.getsockname()[:2]) if listening is not None else None
    if not config.secure and not _is_loopback(config.host):
        print(
            f"tunnel-cli: Links to {config.url} are not encrypted; use https outside of tests.",
            file=sys.stderr,
        )
    emit(
        messages.TunnelReady(
            role="server" if config.is_server else "client",
            client_id=config.client_id,
            addr=addr,
            protocol=PROTOCOL,
        )
    )
    return Opened(config, tls, pins, listening)


def _bind(config: Config) -> socket.socket:
    # A host name in the URL is how clients reach the server, so listen on all interfaces.
    host = config.host if _is_address(config.host) else ""
    try:
        return listening_socket(host, config.port)
    except OSError as error:
        raise StartupError(
            f"Cannot listen on port {config.port} of {config.url}: {error.strerror or error}."
        ) from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
