"""The addresses at which the other peer may reach this one."""

import ipaddress
import socket

import ifaddr

from network.address import Address
from network.port import reached_at

MAX_ADDRESSES = 16


def own_addresses(listen: Address | None, listening: socket.socket) -> list[Address]:
    """Return where a listening socket can be reached, the most likely first.

    `listen` is None, or an unspecified address, for all interfaces: then those of all of them, but
    no link-local ones, which mean nothing elsewhere; loopback's only if there is nothing else.
    """
    if listen is not None and not ipaddress.ip_address(listen.ip).is_unspecified:
        return [reached_at(listen, listening)]
    port = listening.getsockname()[1]
    own = {
        ipaddress.ip_address(one.ip if isinstance(one.ip, str) else one.ip[0])
        for adapter in ifaddr.get_adapters()
        for one in adapter.ips
    }
    if listening.family == socket.AF_INET:
        own = {one for one in own if one.version == 4}
    usable = sorted(
        (one for one in own if not one.is_link_local and not one.is_multicast),
        key=lambda one: (one.is_loopback, -one.version, int(one)),
    )
    outside = [one for one in usable if not one.is_loopback]
    found = [Address(str(one), port) for one in (outside or usable)][:MAX_ADDRESSES]
    return found or [Address("127.0.0.1", port)]
