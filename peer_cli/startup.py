"""Opens everything that a peer needs to be ready, or says in one line what prevents it.

Imports little. Others can connect as soon as the port is bound, so `local-peer-ready` is emitted
then; the code that serves them is imported while the system queues their connections.
"""

import errno
import os
import socket
import sys
from typing import NamedTuple

from headless.program import Emit, StartupError
from network import port
from network.address import Address
from network.descriptors import raise_limit
from network.identity import Identity, IdentityError, load_or_create
from network.swarm_key import SwarmKeyError, read_key
from peer_cli import messages
from peer_cli.catalog import Catalog, CatalogError, load_catalog
from peer_cli.library.folder import LibraryError, claim_games_dir
from peer_cli.network import PROTOCOL_VERSION
from peer_cli.settings import Settings
from store.folder_lock import FolderInUse, FolderLock, lock_folder


class Opened(NamedTuple):
    """The resources a peer starts with. `address` is where others reach `listening`."""

    settings: Settings
    catalog: Catalog
    identity: Identity
    swarm_key: bytes
    listening: socket.socket
    address: Address
    games_lock: FolderLock
    state_lock: FolderLock


def report(text: str) -> None:
    """Print a line for the user that does not belong to any command."""
    print(f"peer-cli: {text}", file=sys.stderr)


def open_peer(settings: Settings, emit: Emit) -> Opened:
    """Open what the flags name, bind the port, and emit `local-peer-ready`.

    Raises StartupError.
    """
    raise_limit()
    try:
        catalog = load_catalog(settings.catalog_db)
        games_lock = claim_games_dir(
            settings.games_dir, settings.name, report, read_only=settings.read_only
        )
        state_lock = _claim_state_dir(settings, games_lock)
        _seed_fixtures(settings, catalog)
        identity = load_or_create(settings.state_dir)
        swarm_key = read_key(settings.swarm_key_file) if settings.swarm_key_file else b""
        listening, address = _bind(settings)
    except (CatalogError, LibraryError, IdentityError, SwarmKeyError) as error:
        raise StartupError(str(error)) from error
    emit(
        messages.LocalPeerReady(
            peer_id=identity.peer_id,
            name=settings.name,
            addr=str(address),
            protocol=PROTOCOL_VERSION,
        )
    )
    return Opened(
        settings, catalog, identity, swarm_key, listening, address, games_lock, state_lock
    )


def _seed_fixtures(settings: Settings, catalog: Catalog) -> None:
    if not settings.fixtures:
        return
    from peer_cli.library.seed import seed_fixture_game  # imported late, because few peers need it

    for game_id in settings.fixtures:
        entry = catalog.get(game_id)
        try:
            seed_fixture_game(settings.games_dir, game_id, entry.version if entry else "1")
        except OSError as error:
            raise StartupError(f"Cannot seed the game {game_id}: {error.strerror}.") from error


def _claim_state_dir(settings: Settings, games_lock: FolderLock) -> FolderLock:
    """Create the state folder if missing, check that it is writable, and lock it.

    A full disk does not prevent the start: only what has to be saved from then on fails.
    """
    path = settings.state_dir
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"Cannot make the state folder {path}: {error.strerror}.") from error
    try:
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        if games_lock.is_of(path):
            return games_lock
        return lock_folder(path, settings.name, report, shared=False)
    except FolderInUse as error:
        raise StartupError(
            f"The state folder {path} is in use by {error}. Stop it, or name another folder."
        ) from error
    except OSError as error:
        raise StartupError(f"The state folder {path} cannot be used: {error.strerror}.") from error


def _bind(settings: Settings) -> tuple[socket.socket, Address]:
    try:
        listening = port.bind(settings.listen)
    except OSError as error:
        raise StartupError(f"Cannot listen on {settings.listen}: {error.strerror}.") from error
    return listening, port.reached_at(settings.listen, listening)
