"""Fetches the archives of a game, verified against the catalog's content digest.

The digest covers the archives, not what is in them, so it cannot verify what a source unpacked. So
the archives themselves are fetched, verified and only then unpacked, on this side. That needs
temporary room for them, but no second digest, which somebody would have to make by unpacking every
game.
"""

import contextlib
import os
import secrets
from pathlib import Path

from headless.threads import run_to_end
from peer_cli.catalog import CatalogEntry
from peer_cli.install.errors import InstallError
from peer_cli.library.index import BLOCK_SIZE
from peer_cli.network import wire
from peer_cli.transfer.agreement import ask_vote, fetch_manifest
from peer_cli.transfer.dataplane import DataConnection
from peer_cli.transfer.fetch import DownloadContext, Source, ask_ticket
from peer_cli.transfer.receive import CorruptSourceError
from peer_cli.transfer.verify import matches
from store.deletion import delete_tree

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class VerifiedArchives:
    """The archives of one game from one source, below an install's staging folder.

    They are in a folder with an unguessable name, so no entry can be written into it.
    """

    def __init__(self, context: DownloadContext, entry: CatalogEntry, source: Source) -> None:
        self._context = context
        self._entry = entry
        self._source = source
        self._name = f".{secrets.token_hex(16)}"

    async def fetch(self, staging: Path, files: list[wire.File]) -> list[Path]:
        """Fetch these archives, verified. Call `discard` before you use the staging folder.

        Raises SessionLostError, DeniedError, TransferLostError and CorruptSourceError for trouble
        with the source, and InstallError (`write-failed`) for trouble on this side.
        """
        folder = staging / self._name
        try:
            await run_to_end(self._context.pool, folder.mkdir)
            return [await self._fetch(folder, file) for file in files]
        except OSError as error:
            raise InstallError(
                "write-failed",
                f"Cannot write the archives of {self._entry.game_id}: "
                f"{error.strerror or error}. Free some space, then try again.",
            ) from error

    async def archives(self) -> list[wire.File]:
        """Ask the source for the archives' blocks, in the order in which they are unpacked.

        Raises ManifestError, InstallError (`wrong-content` if it does not match the catalog,
        `no-archives`), SessionLostError and DeniedError.
        """
        vote = await ask_vote(self._context, self._entry, self._source)
        if vote.digest != self._entry.content_digest:
            raise InstallError(
                "wrong-content",
                f"Its files of {self._entry.game_id} do not match the catalog's digest",
            )
        manifest = await fetch_manifest(self._context, self._entry, self._source, vote)
        archives = [
            file
            for file in manifest.files
            if "/" not in file.path and file.path.lower().endswith(".eti")
        ]
        if not archives:
            raise InstallError(
                "no-archives", f"{self._entry.game_id} has no .eti archive to install from."
            )
        return archives

    def discard(self, staging: Path) -> None:
        """Delete what was fetched. Raises InstallError (`write-failed`)."""
        try:
            delete_tree(staging / self._name)
        except OSError as error:
            raise InstallError(
                "write-failed", f"Cannot delete the fetched archives: {error.strerror or error}."
            ) from error

    async def _fetch(self, folder: Path, file: wire.File) -> Path:
        path = folder / file.path
        ticket = await ask_ticket(
            self._source.session,
            wire.Ticket,
            lambda request: wire.OpenTransfer(
                request=request,
                game_id=self._entry.game_id,
                version=self._entry.version,
                ranges=[wire.Range(file.path, 0, file.size)],
                encrypt=self._context.encrypt,
            ),
            self._context.stall_s,
        )
        connection = DataConnection(self._context.limiter)
        await run_to_end(
            self._context.pool,
            lambda: self._receive(connection, ticket, path, file),
            connection.cancel,
        )
        return path

    def _receive(
        self, connection: DataConnection, ticket: wire.Ticket, path: Path, file: wire.File
    ) -> None:
        """Receive and verify one archive block by block, in a thread."""
        descriptor = os.open(path, _CREATE, 0o600)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, descriptor)
            stack.callback(connection.close)
            local_ip, stall_s = self._source.session.local_ip, self._context.stall_s
            connection.open(self._source.addr, local_ip, ticket.ticket, stall_s)
            connection.seal(ticket.seal)
            for expected, offset in zip(file.blocks, range(0, file.size, BLOCK_SIZE), strict=True):
                length = min(BLOCK_SIZE, file.size - offset)
                connection.receive_into_file(descriptor, offset, length)
                if not matches(descriptor, offset, length, expected):
                    raise CorruptSourceError(f"it delivered wrong bytes of {file.path} at {offset}")
