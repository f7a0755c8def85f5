"""Finds peers by mDNS (RFC 6762, 6763): announces this one, connects to those it hears of."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from zeroconf import NonUniqueNameException, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from peer_cli.network.address import Address

SERVICE_TYPE = "_lanspread._tcp.local."
RESOLVE_TIMEOUT_MS = 3000


async def discover(
    own_id: str,
    own_address: Address,
    name: str,
    connect: Callable[[str, Address], Coroutine[Any, Any, None]],
) -> None:
    """Announce this peer and call `connect` with id and address of each other one, until cancelled.

    Only the interface of `own_address` is used. Where the system lets nobody multicast, one line
    on stderr says so: peers can still be connected by address.
    """
    tasks: set[asyncio.Task[None]] = set()
    try:
        zeroconf = AsyncZeroconf(interfaces=[own_address.ip])
    except OSError as error:
        print(f"peer-cli: mDNS is not possible on {own_address.ip}: {error}", file=sys.stderr)
        return

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: object) -> None:
        if state_change is ServiceStateChange.Removed or name.startswith(f"{own_id}."):
            return
        task = asyncio.get_running_loop().create_task(resolve(zeroconf, name))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def resolve(zeroconf: Zeroconf, service: str) -> None:
        info = AsyncServiceInfo(SERVICE_TYPE, service)
        if await info.async_request(zeroconf, RESOLVE_TIMEOUT_MS) and info.port:
            for ip in info.parsed_addresses()[:1]:
                await connect(service.removesuffix(f".{SERVICE_TYPE}"), Address(ip, info.port))

    info = AsyncServiceInfo(
        SERVICE_TYPE,
        f"{own_id}.{SERVICE_TYPE}",
        port=own_address.port,
        parsed_addresses=[own_address.ip],
        properties={"name": name},
    )
    try:
        await zeroconf.async_register_service(info, cooperating_responders=True)
        browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE_TYPE, handlers=[changed])
        try:
            await asyncio.Event().wait()  # until cancelled
        finally:
            await browser.async_cancel()
    except (OSError, NonUniqueNameException) as error:
        print(f"peer-cli: mDNS does not work on {own_address.ip}: {error}", file=sys.stderr)
    finally:
        for task in tasks:
            task.cancel()
        await zeroconf.async_close()
