"""The handshake as the connecting side checks it."""

import asyncio
import contextlib
import hashlib
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from network.handshake import LocalParty
from peer_cli.network import wire
from tests.peer_cli.network.handshake_ends import Outcome, accept_on, code_of, connect_on
from tests.peer_cli.network.tls_pair import (
    End,
    claiming,
    hello_of,
    make_party,
    proof_of,
    run,
    tls_pair,
)

# --- rogues that accept -----------------------------------------------------------------------


async def rogue_accepts(
    server: End, shown: LocalParty, certificate: bytes, *, hello: wire.Hello | None = None
) -> None:
    theirs = await server.receive()
    assert isinstance(theirs, wire.Hello)
    ours = hello or hello_of(shown)
    server.send(ours)
    with contextlib.suppress(EOFError):  # what refuses the hello proves nothing
        assert isinstance(await server.receive(), wire.Proof)
    server.send(proof_of(shown, theirs, ours, certificate, "accepting"))


def certificate_of(party: LocalParty) -> bytes:
    pem = party.certificate.pem.decode()
    certificate = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])
    assert hashlib.sha256(certificate).digest() == party.certificate.fingerprint
    return certificate


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("somebody else's public key", "bad-proof"),
        ("a proof for another certificate", "bad-proof"),
        ("our own public key", "self-connect"),
        ("another protocol version", "protocol-version"),
        ("another swarm key", "wrong-swarm"),
    ],
)
def test_the_connecting_side_refuses(tmp_path: Path, kind: str, code: str) -> None:
    ann, ben, eve = (make_party(tmp_path, name) for name in ("ann", "ben", "eve"))

    async def scenario() -> tuple[Outcome, bytes]:
        async with tls_pair(eve) as (client, server):
            connecting = asyncio.create_task(connect_on(client, ann))
            own = certificate_of(eve)
            match kind:
                case "somebody else's public key":
                    await rogue_accepts(server, claiming(eve, ben), own)
                case "a proof for another certificate":
                    await rogue_accepts(server, eve, certificate_of(ben))
                case "our own public key":
                    await rogue_accepts(server, claiming(eve, ann), own)
                case "another protocol version":
                    newer = hello_of(eve)
                    hello = wire.Hello(
                        protocol=3,
                        public_key=newer.public_key,
                        nonce=newer.nonce,
                        name="eve",
                        port=1,
                    )
                    await rogue_accepts(server, eve, own, hello=hello)
                case _:
                    await rogue_accepts(server, replace(eve, swarm_key=b"x"), own)
            return await connecting, await server.rest()

    outcome, rest = run(scenario)
    assert code_of(outcome) == code
    assert rest == b""


def test_a_man_in_the_middle_is_found_out(tmp_path: Path) -> None:
    """He opens TLS with a certificate of his own to the one and relays every byte inside."""
    ann, ben, eve = (make_party(tmp_path, name) for name in ("ann", "ben", "eve"))

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
        except OSError:
            pass
        writer.close()

    async def scenario() -> tuple[Outcome, Outcome]:
        async with (
            tls_pair(eve) as (client, to_client),
            tls_pair(ben) as (to_server, server),
        ):
            relays = [
                asyncio.create_task(relay(to_client.reader, to_server.writer)),
                asyncio.create_task(relay(to_server.reader, to_client.writer)),
            ]
            ours, theirs = await asyncio.gather(connect_on(client, ann), accept_on(server, ben))
            for task in relays:
                task.cancel()
            return ours, theirs

    # Who accepts sees it first, and tells; what the one in the middle could do is to say nothing.
    for outcome in run(scenario):
        assert code_of(outcome) == "bad-proof"


@pytest.mark.parametrize(
    "message",
    [
        wire.Proof(signature=bytes(64), swarm=bytes(32)),
        wire.Ping(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_anything_but_a_hello_ends_it_for_the_connecting_side(
    tmp_path: Path, message: wire.Message
) -> None:
    ann, eve = make_party(tmp_path, "ann"), make_party(tmp_path, "eve")

    async def scenario() -> Outcome:
        async with tls_pair(eve) as (client, server):
            server.send(message)
            return await connect_on(client, ann)

    assert isinstance(run(scenario), wire.WireError)


def test_a_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    ann, eve = make_party(tmp_path, "ann"), make_party(tmp_path, "eve")

    async def scenario() -> Outcome:
        async with tls_pair(eve) as (client, server):
            server.send(wire.Refused(code="busy", reason="Come back later."))
            return await connect_on(client, ann)

    outcome = run(scenario)
    assert code_of(outcome) == "busy"
    assert str(outcome) == "Come back later."
