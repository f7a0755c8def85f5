"""Binds the one port before anything else is imported, so this module imports little.

From then on the system queues connections, until they are accepted.
"""

import ipaddress
import socket

from network.address import Address, primary_ip


def bind(address: Address) -> socket.socket:
    """Bind and listen. Raises OSError."""
    listening = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.ip == "::":
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # include IPv4
        listening.bind(address.for_socket())
        listening.listen(512)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def reached_at(wanted: Address, listening: socket.socket) -> Address:
    """Return the address where others reach a socket that was bound to `wanted`.

    Nobody can reach 0.0.0.0, so for all addresses it is the primary one. All of IPv6 includes IPv4.
    """
    bound = ipaddress.ip_address(wanted.ip)
    families = (socket.AF_INET,) if bound.version == 4 else (socket.AF_INET, socket.AF_INET6)
    ip = primary_ip(*families) if bound.is_unspecified else str(bound)
    return Address(ip, listening.getsockname()[1])
