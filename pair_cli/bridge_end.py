"""A peer's end of the bridge, as a socket like any other."""

import asyncio
import contextlib
import socket

import aiohttp

from headless.tasks import end_tasks

PASSED_BYTES = 128 << 10
_BUFFER_BYTES = 512 << 10


def socket_of(
    websocket: aiohttp.ClientWebSocketResponse,
) -> tuple[socket.socket, asyncio.Task[None]]:
    """Return a socket whose bytes go over the WebSocket, and the task that passes them.

    The task ends, and closes its end, when either side ends or it is cancelled.
    """
    outer, inner = socket.socketpair()
    for one in (outer, inner):
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return outer, asyncio.create_task(_pass(websocket, inner))


async def _pass(websocket: aiohttp.ClientWebSocketResponse, inner: socket.socket) -> None:
    tasks = [
        asyncio.create_task(_outward(websocket, inner)),
        asyncio.create_task(_inward(websocket, inner)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(tasks)
        inner.close()
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            await websocket.close()


async def _outward(websocket: aiohttp.ClientWebSocketResponse, inner: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(aiohttp.ClientError, OSError):
        while data := await loop.sock_recv(inner, PASSED_BYTES):
            await websocket.send_bytes(data)


async def _inward(websocket: aiohttp.ClientWebSocketResponse, inner: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(aiohttp.ClientError, OSError):
        while True:
            message = await websocket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                return
            await loop.sock_sendall(inner, message.data)
