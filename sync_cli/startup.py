"""Opens everything that a node needs to be ready, or says in one line what prevents it."""

import errno
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headless.envelope import Event
from headless.program import Emit, StartupError
from network import port
from network.address import Address
from network.descriptors import raise_limit
from network.identity import Identity, IdentityError, load_or_create
from network.swarm_key import SwarmKeyError, read_key
from store.folder_lock import FolderInUse, FolderLock, lock_folder
from sync_cli import PROTOCOL_VERSION, messages
from sync_cli.settings import Settings

if TYPE_CHECKING:
    from sync_cli.folder import Folder

LEGACY_PROTOCOL = 0
MAX_PORT_TRIES = 1000


class Opened(NamedTuple):
    """The resources a node starts with. `address` is where others reach `listening`."""

    settings: Settings
    listening: socket.socket
    address: Address
    locks: tuple[FolderLock, ...]
    identity: Identity | None  # none on the legacy wire
    key: bytes
    folder: "Folder | None"


def report(text: str) -> None:
    """Print a line for the user that does not belong to any command."""
    print(f"sync-cli: {text}", file=sys.stderr)


def open_node(settings: Settings, emit: Emit) -> Opened:
    """Open what the flags name, bind the port, and emit `sync-ready`. Raises StartupError."""
    raise_limit()
    locks = []
    if settings.folder is not None and settings.legacy:
        locks.append(_claim(settings.folder, settings.name, "folder"))
    identity, key, folder = None, b"", None
    early = _Early(emit)
    if not settings.legacy:
        locks.append(_claim_state(settings.state_dir, settings.name))
        try:
            identity = load_or_create(settings.state_dir)
            key = read_key(settings.key_file, "sync-cli key") if settings.key_file else b""
        except (IdentityError, SwarmKeyError) as error:
            raise StartupError(str(error)) from error
    listening = _bind(settings)
    if identity is not None and settings.folder is not None:
        folder = _open_folder(settings, settings.folder, identity.peer_id, early.emit)
    address = port.reached_at(settings.listen, listening)
    emit(
        messages.SyncReady(
            role=settings.role,
            peer_id=identity.peer_id if identity else None,
            name=settings.name,
            addr=str(address),
            protocol=PROTOCOL_VERSION if identity else LEGACY_PROTOCOL,
        )
    )
    early.release()
    return Opened(settings, listening, address, tuple(locks), identity, key, folder)


class _Early:
    """Keeps events back until the ready event, which is the first one."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._held: list[Event] | None = []

    def emit(self, event: Event) -> None:
        if self._held is not None:
            self._held.append(event)
        else:
            self._emit(event)

    def release(self) -> None:
        held, self._held = self._held or [], None
        for event in held:
            self._emit(event)


def _open_folder(settings: Settings, path: Path, peer_id: str, emit: Emit) -> "Folder":
    from sync_cli.folder import Folder, FolderError, Options  # late: a tracker needs none of it

    options = Options(links=settings.links, tombstone_s=settings.tombstone_s)
    try:
        return Folder.open(path, settings.state_dir, peer_id, options, emit, report)
    except FolderError as error:
        raise StartupError(str(error)) from error


def _claim_state(path: Path, name: str) -> FolderLock:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"Cannot make the state folder {path}: {error.strerror}.") from error
    return _claim(path, name, "state folder")


def _claim(path: Path, name: str, what: str) -> FolderLock:
    """Check that a folder is there and writable, and lock it."""
    try:
        lock = lock_folder(path, name, report, shared=False)
    except FolderInUse as error:
        raise StartupError(
            f"The {what} {path} is in use by {error}. Stop it, or name another folder."
        ) from error
    except OSError as error:
        raise StartupError(f"The {what} {path} cannot be used: {error.strerror}.") from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise StartupError(f"The {what} {path} cannot be used: {os.strerror(errno.EACCES)}.")
    return lock


def _bind(settings: Settings) -> socket.socket:
    """Bind the wanted port, or, as a peer, the next free one above it."""
    wanted = settings.listen
    tries = MAX_PORT_TRIES if settings.role == "peer" and wanted.port else 1
    for number in range(wanted.port, min(wanted.port + tries, 65_536)):
        try:
            return port.bind(Address(wanted.ip, number))
        except OSError as error:
            failure = error
            if error.errno != errno.EADDRINUSE:
                break
    raise StartupError(f"Cannot listen on {wanted}: {failure.strerror}.") from failure
