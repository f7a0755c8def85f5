"""Addresses as people write them: "IP:port", "[IPv6]:port"."""

import ipaddress
import socket
from typing import NamedTuple


class Address(NamedTuple):
    """A numeric IP and a TCP port. Orders by IP as a number, then by port (see sort_key)."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    def sort_key(self) -> tuple[int, int, int]:
        """Return a key for the ascending order of (IP, port)."""
        ip = ipaddress.ip_address(self.ip)
        return ip.version, int(ip), self.port


def parse_address(text: str, *, default_port: int | None = None) -> Address:
    """Parse "IP:port", or "IP" where a default port is given. Raises ValueError."""
    host, _, port_text = text.strip().rpartition(":")
    if default_port is not None and (not host or (":" in host and not host.endswith("]"))):
        host, port_text = text.strip(), str(default_port)
    try:
        ip = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
        port = int(port_text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not an address; expected IP:port, e.g. 127.0.0.2:4000"
        ) from None
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} of {text!r} is not between 0 and 65535")
    return Address(ip, port)


def primary_ip() -> str:
    """Return the address of the interface that leads out of this machine, else of the host name.

    Nothing is sent: connecting a UDP socket only chooses a route.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): never a neighbour
            return str(probe.getsockname()[0])
        except OSError:
            pass
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"
