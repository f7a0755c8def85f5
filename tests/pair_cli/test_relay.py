"""The relay as its clients see it: every status, in the order in which it is checked."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from headless.envelope import CommandError
from pair_cli.entries import Entries
from pair_cli.messages import BridgeClosed, BridgeOpened, RelayStatus, RelayStatusResult, Status
from tests.pair_cli.pairs import TIMEOUT_S, Events, a_relay

BLOB = {"blob": "AAECAw"}
BRIDGE = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


class Client:
    """Asks a relay."""

    def __init__(self, session: aiohttp.ClientSession, url: str, events: Events, relay: Any):
        self.session, self.url, self.events, self.relay = session, url, events, relay

    async def ask(self, method: str, path: str, token: str | None = "t", **more: Any) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers.update(more.pop("headers", {}))
        async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
            self.body = await answer.read()
            self.headers = answer.headers
            return answer.status

    async def register(self, token: str = "t", proof: str | None = None) -> int:
        headers = {} if proof is None else {"Pair-Proof": proof}
        return await self.ask("POST", "/register", token, json=BLOB, headers=headers)


def with_relay(work: Callable[[Client], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with (
            a_relay(**settings) as (relay, url, events),
            aiohttp.ClientSession() as session,
        ):
            await work(Client(session, url, events, relay))

    asyncio.run(run())


def test_register_and_fetch() -> None:
    async def work(client: Client) -> None:
        assert await client.register() == 201
        assert await client.ask("GET", "/fetch") == 200
        assert client.body == b'{"blob": "AAECAw"}'
        assert await client.ask("GET", "/fetch", "other") == 404
        status = await client.relay.handle(RelayStatus())
        assert isinstance(status, RelayStatusResult)
        assert status.entries == 1
        with pytest.raises(CommandError):
            await client.relay.handle(Status())

    with_relay(work)


@pytest.mark.parametrize("path", ["/register", "/fetch", "/presence"])
def test_method_comes_before_token_and_token_before_body(path: str) -> None:
    async def work(client: Client) -> None:
        assert await client.ask("DELETE", path, None) == 405
        assert "Allow" in client.headers
        method = "GET" if path == "/fetch" else "POST"
        for headers in ({}, {"Authorization": "Basic dDp0"}, {"Authorization": "Bearer "}):
            assert await client.ask(method, path, None, headers=headers, data=b"{") == 401
        assert await client.ask(method, path, "x" * 257) == 401

    with_relay(work)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b'{"blob": ""}', b'{"blob": 1}', b'{"blob": "?"}',
        b'{"blob": "AB"}',
        b'{"blob": "' + b"A" * 65540 + b'"}', b"[" * 60000, b" " * 200_000,
    ],
)  # fmt: skip
def test_a_bad_body_is_400(body: bytes) -> None:
    async def work(client: Client) -> None:
        assert await client.ask("POST", "/register", data=body) == 400

    with_relay(work)


def test_the_largest_blob_is_taken() -> None:
    async def work(client: Client) -> None:
        assert await client.ask("POST", "/register", json={"blob": "A" * 65536}) == 201

    with_relay(work)


def test_squatting_is_409_and_a_refresh_is_not() -> None:
    async def work(client: Client) -> None:
        assert await client.register(proof="mine") == 201
        assert await client.register(proof="yours") == 409
        assert await client.register() == 409
        assert await client.register(proof="mine") == 201

    with_relay(work)


def test_guesses_are_429_while_the_right_token_still_works() -> None:
    async def work(client: Client) -> None:
        assert await client.register(proof="mine") == 201
        for number in range(20):
            assert await client.ask("GET", "/fetch", f"guess{number}") == 404
        assert await client.ask("GET", "/fetch", "guess") == 429
        assert 1 <= int(client.headers["Retry-After"]) <= 60
        assert await client.ask("GET", "/presence", "guess") == 429
        assert await client.register() == 429
        assert await client.ask("GET", "/fetch") == 200
        assert await client.register(proof="mine") == 201

    with_relay(work)


def test_too_many_new_registrations_are_429_and_refreshes_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pair_cli.relay.MAX_NEW", 3)

    async def work(client: Client) -> None:
        assert [await client.register(token) for token in "abcd"] == [201, 201, 201, 429]
        assert 0 < int(client.headers["Retry-After"]) <= 60
        assert await client.register("a") == 201
        assert await client.ask("GET", "/fetch", "d") == 404

    with_relay(work)


def test_full_is_503_until_entries_end() -> None:
    async def work(client: Client) -> None:
        assert await client.register("a") == 201
        assert await client.register("b") == 503
        assert await client.register("a") == 201
        await asyncio.sleep(0.3)
        assert await client.ask("GET", "/fetch", "a") == 404
        assert await client.register("b") == 201

    with_relay(work, max_entries=1, ttl_s=0.25)


def test_presence() -> None:
    async def work(client: Client) -> None:
        assert await client.ask("GET", "/presence") == 404
        assert await client.ask("POST", "/presence") == 204
        assert await client.ask("GET", "/presence") == 200
        assert await client.ask("GET", "/presence", "other") == 404

    with_relay(work)


def test_operators_see_counts_only() -> None:
    async def work(client: Client) -> None:
        await client.register("secret-token")
        assert await client.ask("GET", "/secret-path") == 404
        assert await client.ask("GET", "/healthz", None) == 200
        assert await client.ask("GET", "/metrics", None) == 200
        text = client.body.decode()
        assert "pair_relay_entries 1" in text
        assert 'pair_relay_requests_total{path="/register",status="201"} 1' in text
        assert 'pair_relay_requests_total{path="other",status="404"} 1' in text
        assert "secret" not in text

    with_relay(work)


def test_the_bridge_joins_two_and_no_third() -> None:
    async def work(client: Client) -> None:
        headers = {"Authorization": f"Bearer {BRIDGE}"}
        async with client.session.ws_connect(client.url + "/bridge", headers=headers) as one:
            await one.send_bytes(b"early")
            async with client.session.ws_connect(client.url + "/bridge", headers=headers) as two:
                await client.events.wait(BridgeOpened)
                assert await two.receive_bytes() == b"early"
                await two.send_bytes(b"x" * 200_000)
                assert len(await one.receive_bytes()) == 200_000
                assert await client.ask("GET", "/bridge", BRIDGE, headers=upgrade()) == 409
                await two.close()
            assert (await one.receive()).type is aiohttp.WSMsgType.CLOSE
        assert (await client.events.wait(BridgeClosed)).bytes == 200_005

    with_relay(work)


def test_a_half_that_left_is_not_joined() -> None:
    async def work(client: Client) -> None:
        headers = {"Authorization": f"Bearer {BRIDGE}"}
        gone = await client.session.ws_connect(client.url + "/bridge", headers=headers)
        await gone.close()
        async with client.session.ws_connect(client.url + "/bridge", headers=headers) as one:
            await one.send_bytes(b"hello")
            async with client.session.ws_connect(client.url + "/bridge", headers=headers) as two:
                assert await two.receive_bytes() == b"hello"

    with_relay(work)


@pytest.mark.parametrize("token", ["short", BRIDGE + "=", BRIDGE[:-1] + "B"])
def test_the_bridge_takes_tokens_of_32_bytes_only(token: str) -> None:
    async def work(client: Client) -> None:
        assert await client.ask("GET", "/bridge", token, headers=upgrade()) == 401

    with_relay(work)


def test_without_a_bridge_there_is_none() -> None:
    async def work(client: Client) -> None:
        assert await client.ask("GET", "/bridge", BRIDGE, headers=upgrade()) == 404

    with_relay(work, bridge=False)


def test_log_holds_no_token_and_no_blob(capfd: pytest.CaptureFixture[str]) -> None:
    async def work(client: Client) -> None:
        await client.register("secret-token", proof="secret-proof")
        for _ in range(25):
            await client.ask("GET", "/fetch", "secret-guess")
        reader, writer = await asyncio.open_connection(*client.url[7:].split(":"))
        writer.write(b"GET /secret\x00 HTTP/9.9\r\nsecret\r\n\r\n")
        await reader.read()
        writer.close()

    with_relay(work)
    said = capfd.readouterr()
    assert "127.0.0.1 guesses" in said.err
    assert "secret" not in said.out + said.err
    assert "AAECAw" not in said.out + said.err


def test_a_defect_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(Entries, "get", fail)

    async def work(client: Client) -> None:
        assert await client.ask("GET", "/fetch") == 500

    with_relay(work)
    said = capsys.readouterr().err
    assert said.count("Traceback (most recent call last):") == 1
    assert "KeyError: 'a defect'" in said


REGISTER = b"POST /register HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /fetch HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET /fetch HTTP/1.1\r\nHost\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        REGISTER + b"Transfer-Encoding: chunked\r\n\r\nno length\r\n",
        REGISTER + b"Content-Length: 100\r\n\r\n{",
    ],
)
def test_what_a_stranger_does_wrong_is_not(sent: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(client: Client) -> None:
        reader, writer = await asyncio.open_connection(*client.url[7:].split(":"))
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(TIMEOUT_S):
            await reader.read()
        writer.close()
        assert await client.ask("GET", "/healthz", None) == 200

    with_relay(work)
    assert capsys.readouterr().err == ""


def upgrade() -> dict[str, str]:
    return {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
