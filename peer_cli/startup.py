"""Opens what a peer needs before it is ready, or says in one line what stands in the way.

Imports little: from the moment that the port is bound others can connect, so `local-peer-ready` is
said then, and what it takes to serve them is imported while the system takes their connections.
"""

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from peer_cli import messages
from peer_cli.catalog import Catalog, CatalogError, load_catalog
from peer_cli.identity import Identity, IdentityError, load_or_create
from peer_cli.library.folder import LibraryError, check_games_dir
from peer_cli.network import port
from peer_cli.network.address import Address, primary_ip
from peer_cli.settings import Settings

MAX_SWARM_KEY_BYTES = 64 << 10


class StartupError(Exception):
    """The peer cannot start; one clear line says why."""


class Opened(NamedTuple):
    """What a peer starts with. `address` is where others reach `listening`."""

    settings: Settings
    catalog: Catalog
    identity: Identity
    swarm_key: bytes
    listening: socket.socket
    address: Address


def open_peer(settings: Settings, emit: Callable[[messages.Event], None]) -> Opened:
    """Check what the flags name, bind the port, and say that the peer is ready.

    Raises StartupError.
    """
    try:
        catalog = load_catalog(settings.catalog_db)
        check_games_dir(settings.games_dir)
        _make_state_dir(settings.state_dir)
        _seed_fixtures(settings, catalog)
        identity = load_or_create(settings.state_dir)
        swarm_key = _read_swarm_key(settings.swarm_key_file)
        listening, address = _bind(settings)
    except (CatalogError, LibraryError, IdentityError) as error:
        raise StartupError(str(error)) from error
    emit(
        messages.LocalPeerReady(
            peer_id=identity.peer_id,
            name=settings.name,
            addr=str(address),
            protocol=port.PROTOCOL_VERSION,
        )
    )
    return Opened(settings, catalog, identity, swarm_key, listening, address)


def _seed_fixtures(settings: Settings, catalog: Catalog) -> None:
    if not settings.fixtures:
        return
    from peer_cli.library.seed import seed_fixture_game  # late: few peers need it

    for game_id in settings.fixtures:
        entry = catalog.get(game_id)
        try:
            seed_fixture_game(settings.games_dir, game_id, entry.version if entry else "1")
        except OSError as error:
            raise StartupError(f"Cannot seed the game {game_id}: {error.strerror}.") from error


def _make_state_dir(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"Cannot make the state folder {path}: {error.strerror}.") from error


def _read_swarm_key(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise StartupError(f"Cannot read the swarm key {path}: {error.strerror}.") from error
    if not 1 <= len(key) <= MAX_SWARM_KEY_BYTES:
        raise StartupError(f"The swarm key {path} must hold 1 to {MAX_SWARM_KEY_BYTES} bytes.")
    return key


def _bind(settings: Settings) -> tuple[socket.socket, Address]:
    try:
        listening = port.bind(settings.listen)
    except OSError as error:
        raise StartupError(f"Cannot listen on {settings.listen}: {error.strerror}.") from error
    bound = ipaddress.ip_address(settings.listen.ip)
    # Others cannot reach 0.0.0.0; who listens everywhere is told by the primary address.
    ip = primary_ip() if bound.is_unspecified else str(bound)
    return listening, Address(ip, listening.getsockname()[1])
