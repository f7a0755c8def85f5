"""Starts a program that listens at a link-local IPv6 address of its machine.

    python link_local.py COMMAND...

Appends `--listen [ADDRESS]` to the command, with the zone of the address, and becomes the command.
A container's interface gets the address only after the start and may not use it until the system
has made sure that nobody else on the link has it, which takes up to two seconds.

Imports nothing from this project.
"""

import os
import socket
import sys
import time
from ipaddress import IPv6Address
from pathlib import Path

TABLE = Path("/proc/net/if_inet6")
LINK = 0x20  # scope
TENTATIVE, IN_USE_ELSEWHERE = 0x40, 0x08  # flags (linux/if_addr.h)
RTMGRP_IPV6_IFADDR = 0x100  # news of IPv6 addresses (linux/rtnetlink.h)
PATIENCE_S = 10.0


def usable(table: str) -> str:
    """Return the usable link-local address of the first interface, with its zone, or "" if none."""
    found = []
    for line in table.splitlines():
        packed, index, _, scope, flags, interface = line.split()
        unusable = int(flags, 16) & (TENTATIVE | IN_USE_ELSEWHERE)
        if int(scope, 16) == LINK and not unusable:
            address = IPv6Address(bytes.fromhex(packed))
            found.append((int(index, 16), f"{address}%{interface}"))
    return min(found)[1] if found else ""


def wait_for_address() -> str:
    """Return that address as soon as there is one. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.bind((0, RTMGRP_IPV6_IFADDR))  # before the first look, so that nothing is missed
        while not (address := usable(TABLE.read_text(encoding="ascii"))):
            news.settimeout(max(deadline - time.monotonic(), 0.001))
            news.recv(1 << 16)
    return address


def main(command: list[str]) -> None:
    """Wait for the address, and become the command."""
    try:
        address = wait_for_address()
    except TimeoutError:
        sys.exit(f"link_local: no interface here has a link-local address after {PATIENCE_S:g} s")
    command = [*command, "--listen", f"[{address}]"]
    os.execvp(command[0], command)  # noqa: S606 - a node like any other from here on


if __name__ == "__main__":
    main(sys.argv[1:])
