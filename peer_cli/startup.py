"""Opens everything a peer needs, or says in one line what stands in the way."""

import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from peer_cli import messages
from peer_cli.catalog import Catalog, CatalogError, load_catalog
from peer_cli.identity import IdentityError, load_or_create
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import LibraryError, check_games_dir
from peer_cli.library.seed import seed_fixture_game
from peer_cli.network import listener
from peer_cli.peer import Peer
from peer_cli.settings import Settings

MAX_SWARM_KEY_BYTES = 64 << 10


class StartupError(Exception):
    """The peer cannot start; one clear line says why."""


def open_peer(settings: Settings, emit: Callable[[messages.Event], None]) -> Peer:
    """Check what the flags name, bind the port and return the peer. Raises StartupError."""
    # Hostile or broken connections end in many ways; asyncio's own notes about them help nobody.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        catalog = load_catalog(settings.catalog_db)
        check_games_dir(settings.games_dir)
        _make_state_dir(settings.state_dir)
        _seed_fixtures(settings, catalog)
        identity = load_or_create(settings.state_dir)
        swarm_key = _read_swarm_key(settings.swarm_key_file)
        listening = _bind(settings)
    except (CatalogError, LibraryError, IdentityError) as error:
        raise StartupError(str(error)) from error
    index = ContentIndex(settings.state_dir / "index.db")
    try:
        return Peer(settings, catalog, identity, swarm_key, listening, index, emit)
    except ssl.SSLError as error:
        raise StartupError(f"The identity {identity.pem_file} cannot be used: {error}.") from error


def _seed_fixtures(settings: Settings, catalog: Catalog) -> None:
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


def _bind(settings: Settings) -> socket.socket:
    try:
        return listener.bind(settings.listen)
    except OSError as error:
        raise StartupError(f"Cannot listen on {settings.listen}: {error.strerror}.") from error
