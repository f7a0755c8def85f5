import asyncio
import socket
import ssl
import tracemalloc

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from network.address import Address
from network.certificate import client_tls, self_signed, server_tls
from network.streams import Streams, accept_tls, open_tls

HOST = "127.0.0.1"
KIB = 1 << 10
CERTIFICATE = self_signed(Ed25519PrivateKey.generate())


async def connect(listening: socket.socket, tls: ssl.SSLContext) -> tuple[Streams, Streams]:
    """Return both ends of a new connection."""

    async def accept() -> Streams:
        accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
        streams = await accept_tls(accepted, tls, 10)
        assert streams is not None
        return streams

    port: int = listening.getsockname()[1]
    theirs, ours = await asyncio.gather(
        accept(), open_tls(Address(HOST, port), HOST, client_tls(), 10)
    )
    return ours, theirs


def listener() -> socket.socket:
    listening = socket.create_server((HOST, 0))
    listening.setblocking(False)
    return listening


def test_more_than_one_read_takes_arrives() -> None:
    async def send() -> None:
        with listener() as listening:
            ours, theirs = await connect(listening, server_tls(CERTIFICATE))
            content = bytes(range(256)) * 4 * KIB
            ours.writer.write(content)
            ours.writer.close()
            assert await theirs.reader.read(-1) == content
            theirs.writer.close()

    asyncio.run(send())


def test_an_idle_connection_takes_little_memory() -> None:
    async def measure() -> float:
        tls = server_tls(CERTIFICATE)
        with listener() as listening:
            kept = [*await connect(listening, tls)]  # what the first one makes once is not counted
            tracemalloc.start()
            try:
                for _ in range(10):
                    kept += await connect(listening, tls)
                each = tracemalloc.get_traced_memory()[0] / 20
            finally:
                tracemalloc.stop()
            for streams in kept:
                streams.writer.close()
            return each

    assert asyncio.run(measure()) < 96 * KIB
