"""Addresses in one canonical form, converted from what people write and what sockets return.

Each host has one spelling, so that addresses can be compared as text. An IPv4 address that an IPv6
socket returns (`::ffff:10.0.0.1`) becomes `10.0.0.1`. A link-local IPv6 address carries the name of
its interface (`fe80::1%eth0`, RFC 4007), without which it means nothing.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


class Address(NamedTuple):
    """A numeric IP and a TCP port. Orders by IP as a number, then by port (see sort_key)."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    def sort_key(self) -> tuple[int, int, str, int]:
        """Return a key for the ascending order of (IP, port)."""
        ip = ipaddress.ip_address(self.ip)
        zone = ip.scope_id or "" if isinstance(ip, ipaddress.IPv6Address) else ""
        return ip.version, int(ip), zone, self.port

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of sockets that reach it."""
        return socket.AF_INET6 if ":" in self.ip else socket.AF_INET

    def for_socket(self) -> SocketAddress:
        """Return the form for `bind` and `connect`. Raises OSError if its interface is gone."""
        if ":" not in self.ip:
            return self.ip, self.port
        ip, _, zone = self.ip.partition("%")
        return ip, self.port, 0, socket.if_nametoindex(zone) if zone else 0


def canonical_ip(text: str, scope: int = 0) -> str:
    """Return the canonical spelling of a numeric IP; `scope` is its interface's index, if known.

    Raises ValueError for text that is not an IP, or a link-local IPv6 address without an interface.
    """
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    if not ip.is_link_local:  # the interface adds nothing
        return str(ipaddress.IPv6Address(int(ip)))
    zone = str(scope) if scope else ip.scope_id
    if zone is None:
        raise ValueError(f"{text} is link-local: name the interface too, as in [{text}%eth0]:4000")
    return f"{ipaddress.IPv6Address(int(ip))}%{_interface(zone)}"


def address_of(told: Sequence[Any]) -> Address:
    """Return the address that a socket returns (`getsockname`, `getpeername`, `accept`)."""
    return Address(canonical_ip(told[0], told[3] if len(told) > 3 else 0), told[1])


def parse_address(text: str, *, default_port: int | None = None) -> Address:
    """Parse "IP:port", or "IP" if there is a default port. Raises ValueError."""
    host, _, port_text = text.strip().rpartition(":")
    if default_port is not None and (not host or (":" in host and not host.endswith("]"))):
        host, port_text = text.strip(), str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        port = int(port_text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not an address; expected IP:port, e.g. 127.0.0.2:4000"
        ) from None
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} of {text!r} is not between 0 and 65535")
    return Address(canonical_ip(host), port)


def reaches_directly(own_ip: str, other_ip: str) -> bool:
    """Tell whether a socket bound to one IP can connect to the other, judging by the IPs.

    Pure. Loopback reaches loopback, and a link-local address reaches its own link.
    """
    own, other = ipaddress.ip_address(own_ip), ipaddress.ip_address(other_ip)
    return _reach(own) == _reach(other)


def primary_ip(*families: socket.AddressFamily) -> str:
    """Return the address of the interface with the default route, or else of the host name.

    Tries these families in order, or IPv4 if there are none. Sends nothing: connecting a UDP socket
    only chooses a route.
    """
    # TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849): never on the local network.
    elsewhere = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
    for family in families or (socket.AF_INET,):
        with (
            contextlib.suppress(OSError),
            socket.socket(family, socket.SOCK_DGRAM) as probe,
        ):
            probe.connect((elsewhere[family], 9))
            return address_of(probe.getsockname()).ip
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _interface(zone: str) -> str:
    """Return the name of an interface that is given by name or index. Raises ValueError."""
    try:
        return socket.if_indextoname(int(zone)) if zone.isdecimal() else zone
    except (OSError, OverflowError):
        raise ValueError(f"there is no network interface {zone} here") from None


def _reach(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[int, bool, str]:
    zone = ip.scope_id or "" if isinstance(ip, ipaddress.IPv6Address) else ""
    return ip.version, ip.is_loopback, zone
