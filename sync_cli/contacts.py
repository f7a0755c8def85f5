"""Peers that are known by address: dialled until connected, and remembered over restarts."""

import asyncio
import json
import random
from pathlib import Path

from network.address import Address, parse_address
from store.durable import replace_file
from sync_cli.links import LinkError, Links
from sync_cli.startup import report

FIRST_RETRY_S = 0.2
LONGEST_RETRY_S = 5.0
REFUSED_RETRY_S = 30.0
OTHER_SIDE_S = 1.0  # the smaller id dials first
MAX_CONTACTS = 256
ADDRESS_FILE = "addresses.json"
MAX_FILE_BYTES = 1 << 20


class Contacts:
    """Knows addresses of peers, and dials them."""

    def __init__(self, links: Links, state_dir: Path) -> None:
        self._links = links
        self._file = state_dir / ADDRESS_FILE
        self._addresses: dict[str, Address] = {}
        self._kicks: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Dial those that were known before."""
        for peer_id, address in self._remembered().items():
            self.told(peer_id, address, save=False)

    def told(self, peer_id: str, address: Address, *, save: bool = True) -> None:
        """Note where a peer is; dial it now unless it is connected."""
        if peer_id == self._links.own.peer_id:
            return
        is_new = self._addresses.get(peer_id) != address
        if peer_id not in self._tasks:
            if len(self._tasks) >= MAX_CONTACTS:
                return
            self._kicks[peer_id] = asyncio.Event()
            self._addresses[peer_id] = address
            self._tasks[peer_id] = asyncio.create_task(self._keep(peer_id))
        self._addresses[peer_id] = address
        self._kicks[peer_id].set()
        if is_new and save:
            self._save()

    def lost(self, peer_id: str) -> None:
        """Note that the session with a peer has ended."""
        if peer_id in self._kicks:
            self._kicks[peer_id].set()

    async def stop(self) -> None:
        """Dial no more."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def _keep(self, peer_id: str) -> None:
        kick = self._kicks[peer_id]
        is_first = self._links.own.peer_id < peer_id
        retry_s = FIRST_RETRY_S
        wait_s = 0.0 if is_first else OTHER_SIDE_S
        while True:
            if peer_id in self._links.sessions:
                retry_s = FIRST_RETRY_S
                kick.clear()
                await kick.wait()
                wait_s = 0.0 if is_first else OTHER_SIDE_S
                continue
            kick.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await kick.wait()
            except TimeoutError:
                pass
            else:
                retry_s = FIRST_RETRY_S
                await asyncio.sleep(0.0 if is_first else OTHER_SIDE_S)
            if peer_id in self._links.sessions:
                continue
            try:
                await self._links.dial(self._addresses[peer_id])
            except LinkError as error:
                if error.code in ("wrong-swarm", "protocol-version"):
                    report(f"cannot connect to {self._addresses[peer_id]}: {error}")
                    retry_s = REFUSED_RETRY_S
            wait_s = retry_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    def _remembered(self) -> dict[str, Address]:
        try:
            with self._file.open("rb") as file:
                told = json.loads(file.read(MAX_FILE_BYTES))
            return {str(peer_id): parse_address(str(addr)) for peer_id, addr in told.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            report(f"the known addresses in {self._file} cannot be read: {error}")
            return {}

    def _save(self) -> None:
        text = json.dumps({one: str(address) for one, address in self._addresses.items()})
        try:
            replace_file(self._file, text.encode(), self._file.with_suffix(".tmp"), durable=False)
        except OSError as error:
            report(f"the known addresses cannot be saved in {self._file}: {error.strerror}")
