"""Opens everything that a relay or a peer needs to be ready, or says what prevents it.

Imports little: others can connect as soon as the port is bound, so the ready event is emitted then.
"""

import errno
import os
import socket
import sqlite3
import sys
from pathlib import Path
from typing import NamedTuple, TypeAlias

from headless.program import Emit, StartupError
from network.address import Address
from network.descriptors import raise_limit
from network.identity import IdentityError
from network.port import bind, reached_at
from pair_cli import messages
from pair_cli.addresses import own_addresses
from pair_cli.files.tree import TREE, check_database
from pair_cli.handshake import PROTOCOL_VERSION
from pair_cli.keys import Keys, load_or_create, new_keys
from pair_cli.settings import PeerSettings, RelaySettings, Settings
from store.folder_lock import FolderInUse, FolderLock, lock_folder


class OpenedRelay(NamedTuple):
    """What a relay starts with."""

    settings: RelaySettings
    listening: socket.socket
    address: Address


class OpenedPeer(NamedTuple):
    """What a peer starts with; `addresses` are where the other reaches `listening`."""

    settings: PeerSettings
    keys: Keys
    listening: socket.socket
    addresses: list[Address]
    state_lock: FolderLock


Opened: TypeAlias = OpenedRelay | OpenedPeer


def open_program(settings: Settings, emit: Emit) -> Opened:
    """Open what the flags name, and emit the ready event. Raises StartupError."""
    raise_limit()
    if isinstance(settings, RelaySettings):
        return _open_relay(settings, emit)
    return _open_peer(settings, emit)


def _open_relay(settings: RelaySettings, emit: Emit) -> OpenedRelay:
    listening = _bind(settings.listen)
    address = reached_at(settings.listen, listening)
    emit(
        messages.RelayReady(
            addr=str(address),
            ttl_s=settings.ttl_s,
            max_entries=settings.max_entries,
            bridge=settings.bridge,
        )
    )
    return OpenedRelay(settings, listening, address)


def _open_peer(settings: PeerSettings, emit: Emit) -> OpenedPeer:
    _usable("shared", settings.folder)
    _usable("state", settings.state_dir)
    try:
        state_lock = lock_folder(settings.state_dir, "pair-cli", _report, shared=False)
        keys = new_keys() if settings.incognito else load_or_create(settings.state_dir)
        check_database(settings.state_dir / TREE)
    except sqlite3.Error as error:
        raise StartupError(
            f"{settings.state_dir / TREE} cannot be used ({error}). Move it away to start afresh: "
            "what is shared must then be added again."
        ) from error
    except FolderInUse as error:
        raise StartupError(
            f"The state folder {settings.state_dir} is in use by {error}. "
            "Stop it, or name another folder."
        ) from error
    except IdentityError as error:
        raise StartupError(str(error)) from error
    except OSError as error:
        raise StartupError(
            f"The state folder {settings.state_dir} cannot be used: {error.strerror}."
        ) from error
    listening = _bind_all() if settings.listen is None else _bind(settings.listen)
    addresses = own_addresses(settings.listen, listening)
    emit(
        messages.PairReady(
            fingerprint=keys.fingerprint,
            addr=str(addresses[0]),
            addrs=[str(one) for one in addresses],
            protocol=PROTOCOL_VERSION,
        )
    )
    return OpenedPeer(settings, keys, listening, addresses, state_lock)


def _usable(what: str, folder: Path) -> None:
    """Create a folder if it is missing, and check that it can be written. Raises StartupError."""
    try:
        folder.mkdir(0o700 if what == "state" else 0o777, parents=True, exist_ok=True)
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StartupError(
            f"The {what} folder {folder} cannot be used: {error.strerror}."
        ) from error


def _bind_all() -> socket.socket:
    """Listen on every interface, of IPv6 and IPv4, or of IPv4 if the system has no IPv6."""
    try:
        return bind(Address("::", 0))
    except OSError:
        return _bind(Address("0.0.0.0", 0))  # noqa: S104 - a peer is meant to be reached


def _bind(address: Address) -> socket.socket:
    try:
        return bind(address)
    except OSError as error:
        raise StartupError(f"Cannot listen on {address}: {error.strerror}.") from error


def _report(text: str) -> None:
    print(f"pair-cli: {text}", file=sys.stderr)
