"""A peer's side of the relay: register, fetch, and the bridge."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from headless.errors import CodedError
from network.address import reaches_directly
from pair_cli.entries import MAX_BLOB

REQUEST_S = 5.0
MAX_ANSWER = MAX_BLOB + 1024
MAX_PAUSE_S = 60.0
MAX_BRIDGED = 256 << 10  # bytes of one WebSocket message


class RelayError(CodedError):
    """The relay did not do what it was asked; `pause_s` is how long it wants to be left alone."""

    def __init__(self, code: str, text: str, pause_s: float = 0.0) -> None:
        super().__init__(code, text)
        self.pause_s = min(pause_s, MAX_PAUSE_S)


class BadUrl(Exception):  # noqa: N818 - reads well where it is raised and caught
    """A text is no URL of a relay; the message says why."""


class _Blob(msgspec.Struct):
    blob: str


class _Registered(msgspec.Struct):
    ttl_s: float


def check_url(url: str) -> str:
    """Return a relay's URL without a slash at its end. Raises BadUrl."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadUrl(f"{url!r} is no URL of a relay; expected e.g. http://192.0.2.1:8080")
    return url.strip().rstrip("/")


class RelayClient:
    """Talks to one relay."""

    def __init__(self, url: str, own_ip: str | None) -> None:
        """`own_ip` is where connections come from, if it can reach the relay."""
        self.url = url
        host = urlsplit(url).hostname or ""
        local = (own_ip, 0) if own_ip and _is_ip(host) and reaches_directly(own_ip, host) else None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=local, limit=4, force_close=True),
            timeout=aiohttp.ClientTimeout(total=REQUEST_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def register(self, token: str, blob: str, proof: str) -> float:
        """Register or refresh; return the seconds until that ends. Raises RelayError."""
        status, body = await self._ask(
            "POST", "/register", token, {"Pair-Proof": proof}, {"blob": blob}
        )
        if status != 201:
            raise RelayError("relay-refused", f"The relay answers a registration with {status}.")
        try:
            return min(max(msgspec.json.decode(body, type=_Registered).ttl_s, 1.0), 86400.0)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 600.0  # another relay than ours, which does not say

    async def fetch(self, token: str) -> str | None:
        """Return the blob that is registered for a token, None if there is none.

        Raises RelayError.
        """
        status, body = await self._ask("GET", "/fetch", token)
        if status == 404:
            return None
        try:
            if status != 200:
                raise RelayError("relay-refused", f"The relay answers with {status}.")
            return msgspec.json.decode(body, type=_Blob).blob
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RelayError("relay-refused", "The relay's answer cannot be read.") from error

    async def bridge(self, token: str) -> aiohttp.ClientWebSocketResponse:
        """Return a connection to the bridge. Raises RelayError."""
        try:
            return await self._session.ws_connect(
                f"{self.url}/bridge",
                headers=_bearer(token),
                max_msg_size=MAX_BRIDGED,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 404:
                raise RelayError("unreachable", "and the relay has no bridge") from error
            raise RelayError("relay-refused", f"the bridge answers with {error.status}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        token: str,
        headers: dict[str, str] | None = None,
        json: Any = None,
    ) -> tuple[int, bytes]:
        """Return status and body, of which no more is read than is allowed. Raises RelayError."""
        try:
            async with self._session.request(
                method,
                self.url + path,
                headers={**_bearer(token), **(headers or {})},
                json=json,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(MAX_ANSWER + 1)
                while len(body) <= MAX_ANSWER and not answer.content.at_eof():
                    body += await answer.content.read(MAX_ANSWER + 1 - len(body))
                status, pause = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        if len(body) > MAX_ANSWER:
            raise RelayError("relay-refused", "The relay's answer is too long.")
        pause_s = float(pause) if pause.isdecimal() and len(pause) < 9 else 0.0
        match status:
            case 409:
                raise RelayError(
                    "relay-refused",
                    "Somebody else registered this fingerprint at the relay; it ends by itself.",
                    10.0,
                )
            case 429:
                raise RelayError("relay-refused", "The relay wants fewer requests.", pause_s)
            case 503:
                raise RelayError("relay-refused", "The relay is full.", 5.0)
        return status, body

    def _unreachable(self, error: Exception) -> RelayError:
        cause = str(error) or type(error).__name__
        return RelayError("relay-unreachable", f"The relay {self.url} cannot be reached: {cause}.")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
