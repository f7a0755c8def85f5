"""A data connection and its content, for the tests of the data plane."""

import socket

from network.limits import RateLimiter
from peer_cli.transfer.dataplane import (
    DataConnection,
)
from peer_cli.transfer.records import KEY_BYTES
from tests.peer_cli.transfer.game_files import content

KEY = bytes(range(KEY_BYTES))
LONG_S, SHORT_S = 10.0, 0.05
SIZE = 3 * 1024 * 1024 + 17
DATA = content("data", SIZE)


def attached(
    connection: socket.socket, stall_s: float = LONG_S, rate: int | None = None
) -> DataConnection:
    data = DataConnection(RateLimiter(rate))
    data.attach(connection, stall_s)
    return data
