"""The one port, bound before anything else is imported: this module imports little.

From then on the system takes connections on it, and the listener takes them up when it is there.
"""

import socket

from peer_cli.network.address import Address

PROTOCOL_VERSION = 1


def bind(address: Address) -> socket.socket:
    """Bind and listen. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.ip, address.port))
        listening.listen(512)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
