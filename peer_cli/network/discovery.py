"""Finds peers by mDNS (RFC 6762, 6763): announces this peer and reports the others."""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence

from zeroconf import NonUniqueNameException, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from network.address import Address, canonical_ip

SERVICE_TYPE = "_lanspread._tcp.local."
RESOLVE_TIMEOUT_MS = 3000
INTERFACES_LOOK_S = 5.0
MAX_RESOLVING = 64


async def discover(
    own_id: str,
    own_address: Address,
    name: str,
    heard: Callable[[str, Sequence[Address]], None],
    withdrawn: Callable[[str], None],
) -> None:
    """Announce this peer, and call `heard` and `withdrawn` for others, until cancelled.

    Uses only the interface of `own_address`. While the system allows no multicast there, this
    retries, and one line on stderr says so: peers can still connect by address. An interface that
    goes away takes its multicast groups with it, so this starts over when interfaces change.
    """
    told = ""
    while True:
        interfaces = socket.if_nameindex()
        mdns = asyncio.create_task(_take_part(own_id, own_address, name, heard, withdrawn))
        try:
            while socket.if_nameindex() == interfaces and not mdns.done():
                await asyncio.wait([mdns], timeout=INTERFACES_LOOK_S)  # no event for this
        finally:
            mdns.cancel()
            await asyncio.wait([mdns])
        if not mdns.cancelled():
            try:
                mdns.result()
            except (OSError, NonUniqueNameException) as error:
                problem = f"mDNS is not possible on {own_address.ip} for now: {error}"
                if problem != told:
                    print(f"peer-cli: {problem}", file=sys.stderr)
                told = problem
                await asyncio.sleep(INTERFACES_LOOK_S)


async def _take_part(
    own_id: str,
    own_address: Address,
    name: str,
    heard: Callable[[str, Sequence[Address]], None],
    withdrawn: Callable[[str], None],
) -> None:
    """Announce and listen until cancelled. Raises OSError, NonUniqueNameException."""
    resolving: dict[str, asyncio.Task[None]] = {}
    zeroconf = AsyncZeroconf(interfaces=[_interface(own_address.ip)])

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        peer_id = name.removesuffix(f".{SERVICE_TYPE}")
        if state_change is ServiceStateChange.Removed:
            withdrawn(peer_id)
        elif peer_id != own_id and name not in resolving and len(resolving) < MAX_RESOLVING:
            resolving[name] = asyncio.get_running_loop().create_task(resolve(zeroconf, name))
            resolving[name].add_done_callback(lambda _: resolving.pop(name))

    async def resolve(zeroconf: Zeroconf, service: str) -> None:
        info = AsyncServiceInfo(SERVICE_TYPE, service)
        if await info.async_request(zeroconf, RESOLVE_TIMEOUT_MS) and info.port:
            addresses = _addresses(info.parsed_scoped_addresses(), info.port)
            if addresses:
                heard(service.removesuffix(f".{SERVICE_TYPE}"), addresses)

    info = AsyncServiceInfo(
        SERVICE_TYPE,
        f"{own_id}.{SERVICE_TYPE}",
        port=own_address.port,
        parsed_addresses=[own_address.ip.partition("%")[0]],
        properties={"name": name},
    )
    try:
        await zeroconf.async_register_service(info, cooperating_responders=True)
        browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE_TYPE, handlers=[changed])
        try:
            await asyncio.Event().wait()  # until cancelled
        finally:
            await browser.async_cancel()
    finally:
        for task in resolving.values():
            task.cancel()
        await zeroconf.async_close()


def _addresses(ips: Sequence[str], port: int) -> list[Address]:
    """Return the announced addresses that can be reached from here."""
    addresses = []
    for ip in ips:
        try:
            addresses.append(Address(canonical_ip(ip), port))
        except ValueError:  # link-local, from a stack that does not name the interface
            continue
    return addresses


def _interface(ip: str) -> str | int:
    """Return an IP's interface in zeroconf's form: for a link-local IP, the index."""
    _, _, zone = ip.partition("%")
    return socket.if_nametoindex(zone) if zone else ip
