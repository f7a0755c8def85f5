"""The relay: an HTTP server where pairs leave their registrations, and meet at a bridge.

It holds sealed blobs under tokens that say nothing, for a while, in memory. Neither is ever logged.
"""

import asyncio
import ipaddress
import json
import logging
import math
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from headless.envelope import Command, CommandError, Value
from headless.program import Emit
from headless.tasks import end_tasks
from network.acceptor import Acceptor
from network.address import Address
from pair_cli import messages
from pair_cli.bridge import Bridges
from pair_cli.entries import MAX_BLOB, MAX_MISSES, MAX_NEW, Admission, Entries, Presence, Rate
from pair_cli.keys import from_base64
from pair_cli.settings import RelaySettings

REQUEST_S = 30.0  # for one connection, which has one request
MAX_TOKEN = 256
PROOF_HEADER = "Pair-Proof"
_BRIDGE_TOKEN_BYTES = 32
_PATHS = ("/register", "/fetch", "/presence", "/bridge", "/healthz", "/metrics")

# What strangers can cause: requests that cannot be read, and connections that end within one.
_OF_STRANGERS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Relay:
    """A headless.service.Service."""

    def __init__(
        self, settings: RelaySettings, listening: socket.socket, address: Address, emit: Emit
    ) -> None:
        self._settings = settings
        self._address = address
        self._began = time.monotonic()
        self._entries = Entries(settings.ttl_s, settings.max_entries)
        self._presence = Presence(settings.max_entries)
        self._misses, self._new = Rate(MAX_MISSES), Rate(MAX_NEW)
        self._bridges = Bridges(emit)
        self._answers: Counter[tuple[str, int]] = Counter()
        self._served: dict[asyncio.BaseTransport, asyncio.Event] = {}
        self._runner = web.AppRunner(self._application(), access_log=None, logger=_logger())
        self._acceptor = Acceptor("pair-cli", listening, self._greet)
        self._accepting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        self._accepting = asyncio.create_task(self._acceptor.run())

    async def handle(self, command: Command) -> Value:
        """Run a command. Raises CommandError."""
        if not isinstance(command, messages.RelayStatus):
            raise CommandError("not-a-peer", f"This is a relay; {command.cmd} is for a peer.")
        return messages.RelayStatusResult(
            addr=str(self._address),
            entries=self._entries.count(time.monotonic()),
            bridges=self._bridges.joined,
            waiting=self._bridges.waiting,
            uptime_s=time.monotonic() - self._began,
        )

    async def stop(self) -> None:
        """End all connections."""
        if self._accepting is not None:
            await end_tasks([self._accepting])
        await self._bridges.stop()
        await self._runner.cleanup()

    # --- connections --------------------------------------------------------------------------

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._around], client_max_size=MAX_BLOB + 1024)
        routes = application.router
        routes.add_post("/register", self._register)
        routes.add_get("/fetch", self._fetch, allow_head=False)
        routes.add_post("/presence", self._post_presence)
        routes.add_get("/presence", self._get_presence, allow_head=False)
        routes.add_get("/healthz", self._healthz, allow_head=False)
        routes.add_get("/metrics", self._metrics, allow_head=False)
        if self._settings.bridge:
            routes.add_get("/bridge", self._bridge, allow_head=False)
        return application

    async def _greet(self, connection: socket.socket, origin: Address) -> None:
        """Serve a connection's one request, which has to come soon."""
        server = self._runner.server
        assert server is not None
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(server, connection)
        served = self._served[transport] = asyncio.Event()
        try:
            async with asyncio.timeout(REQUEST_S):
                await served.wait()
        except TimeoutError:
            transport.abort()
        except asyncio.CancelledError:
            transport.abort()
            raise
        finally:
            del self._served[transport]

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await self._answer(request, handler)
        finally:
            self._settle(request)
        response.force_close()
        path = request.path if request.path in _PATHS else "other"
        self._answers[path, response.status] += 1
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.json_response(
                {"error": error.text or error.reason},
                status=error.status,
                headers={
                    name: error.headers[name]
                    for name in ("Allow", "Retry-After", "WWW-Authenticate")
                    if name in error.headers
                },
            )

    def _settle(self, request: web.Request) -> None:
        served = self._served.get(request.transport) if request.transport else None
        if served is not None:
            served.set()

    # --- registrations ------------------------------------------------------------------------

    async def _register(self, request: web.Request) -> web.StreamResponse:
        token = _token(request)
        body = await _blob_body(request)
        now, address, proof = time.monotonic(), _address(request), request.headers.get(PROOF_HEADER)
        known = self._entries.has(token, now)
        if not known:
            _check_rate(self._new, address, now)
        outcome = self._entries.register(token, body, proof, now)
        if outcome is Admission.CONFLICT:
            raise self._miss(
                address,
                now,
                web.HTTPConflict(text="somebody else's registration, until it expires"),
            )
        if outcome is Admission.FULL:
            raise web.HTTPServiceUnavailable(
                text="the relay is full", headers={"Retry-After": "30"}
            )
        if not known:
            self._new.count(address, now)
        return web.json_response({"ttl_s": self._settings.ttl_s}, status=201)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        token, now = _token(request), time.monotonic()
        body = self._entries.get(token, now)
        if body is None:
            raise self._miss(_address(request), now, web.HTTPNotFound(text="not registered"))
        return web.Response(body=body, content_type="application/json")

    async def _post_presence(self, request: web.Request) -> web.StreamResponse:
        self._presence.see(_token(request), time.monotonic())
        return web.Response(status=204)

    async def _get_presence(self, request: web.Request) -> web.StreamResponse:
        token, now = _token(request), time.monotonic()
        if not self._presence.is_here(token, now):
            raise self._miss(_address(request), now, web.HTTPNotFound(text="not seen"))
        return web.json_response({"here": True})

    def _miss(self, address: str, now: float, error: web.HTTPException) -> web.HTTPException:
        """Count a wrong guess, and return what answers it: an address with many gets no more."""
        wait_s = self._misses.over(address, now)
        if wait_s is not None:
            return _too_many(wait_s)
        self._misses.count(address, now)
        if self._misses.over(address, now) is not None:
            print(f"pair-cli: {address} guesses; it is refused for a while", file=sys.stderr)
        return error

    # --- the bridge ---------------------------------------------------------------------------

    async def _bridge(self, request: web.Request) -> web.StreamResponse:
        token = _token(request)
        data = from_base64(token)
        if data is None or len(data) != _BRIDGE_TOKEN_BYTES:
            raise _unauthorized("the bridge takes base64url of 32 bytes")
        return await self._bridges.take(token, _address(request), request, self._settle)

    # --- for operators ------------------------------------------------------------------------

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer in Prometheus's text format, version 0.0.4."""
        lines = [
            "# TYPE pair_relay_entries gauge",
            f"pair_relay_entries {self._entries.count(time.monotonic())}",
            "# TYPE pair_relay_bridges gauge",
            f"pair_relay_bridges {self._bridges.joined}",
            "# TYPE pair_relay_bridge_waiting gauge",
            f"pair_relay_bridge_waiting {self._bridges.waiting}",
            "# TYPE pair_relay_bridge_bytes_total counter",
            f"pair_relay_bridge_bytes_total {self._bridges.bytes}",
            "# TYPE pair_relay_requests_total counter",
        ]
        lines += [
            f'pair_relay_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self._answers.items())
        ]
        return web.Response(
            body=("\n".join(lines) + "\n").encode(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )


def _logger() -> logging.Logger:
    """Return a logger that prints our own defects to stderr, and nothing that a stranger sent."""
    logger = logging.Logger("pair-cli")
    logger.addFilter(_is_a_defect)
    return logger


def _is_a_defect(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], _OF_STRANGERS))


def _token(request: web.Request) -> str:
    """Return the bearer token. Raises 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise _unauthorized("expected Authorization: Bearer TOKEN")
    if len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable():
        raise _unauthorized("this is no token")
    return token


def _unauthorized(text: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": "Bearer"})


async def _blob_body(request: web.Request) -> bytes:
    """Return the body, which has a blob. Raises 400."""
    try:
        body = await request.read()
        value = json.loads(body)
    except web.HTTPRequestEntityTooLarge:
        raise web.HTTPBadRequest(text=f"the blob is over {MAX_BLOB} bytes") from None
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="expected a JSON object") from None
    blob = value.get("blob") if isinstance(value, dict) else None
    if not isinstance(blob, str) or not blob:
        raise web.HTTPBadRequest(text='expected {"blob": base64url}')
    if len(blob) > MAX_BLOB:
        raise web.HTTPBadRequest(text=f"the blob is over {MAX_BLOB} bytes")
    if from_base64(blob) is None:
        raise web.HTTPBadRequest(text="the blob is no base64url without padding")
    return body


def _check_rate(rate: Rate, address: str, now: float) -> None:
    wait_s = rate.over(address, now)
    if wait_s is not None:
        raise _too_many(wait_s)


def _too_many(wait_s: float) -> web.HTTPTooManyRequests:
    return web.HTTPTooManyRequests(
        text="too many requests from this address",
        headers={"Retry-After": str(max(1, math.ceil(wait_s)))},
    )


def _address(request: web.Request) -> str:
    """Return whose rate a request counts for: an IPv4 address, or an IPv6 network of one home."""
    ip = ipaddress.ip_address((request.remote or "0.0.0.0").partition("%")[0])  # noqa: S104
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
