"""The handshake over real TLS on loopback; the rogues speak by the text of wire-protocol.md."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from network.certificate import client_tls
from network.handshake import HandshakeError, LocalParty, RemoteParty
from network.identity import peer_id_of
from peer_cli.network import wire
from tests.peer_cli.network.handshake_ends import Outcome, accept_on, code_of, connect_on
from tests.peer_cli.network.tls_pair import (
    End,
    certificate_seen_by,
    claiming,
    connected,
    hello_of,
    make_party,
    proof_of,
    run,
    tls_of,
    tls_pair,
)


def shake(connecting: LocalParty, accepting: LocalParty) -> tuple[Outcome, Outcome]:
    async def scenario() -> tuple[Outcome, Outcome]:
        async with tls_pair(accepting) as (client, server):
            ours, theirs = await asyncio.gather(
                connect_on(client, connecting), accept_on(server, accepting)
            )
            return ours, theirs

    return run(scenario)


@pytest.mark.parametrize("swarm_key", [b"", b"secret"])
def test_both_sides_learn_who_the_other_is(tmp_path: Path, swarm_key: bytes) -> None:
    ann = make_party(tmp_path, "ann", 4001, swarm_key)
    ben = make_party(tmp_path, "ben", 4002, swarm_key)
    assert shake(ann, ben) == (
        RemoteParty(ben.identity.peer_id, "ben", 4002),
        RemoteParty(ann.identity.peer_id, "ann", 4001),
    )


@pytest.mark.parametrize(("ours", "theirs"), [(b"a", b"b"), (b"", b"b"), (b"a", b"")])
def test_another_swarm_key_is_refused(tmp_path: Path, ours: bytes, theirs: bytes) -> None:
    connecting = make_party(tmp_path, "ann", swarm_key=ours)
    for outcome in shake(connecting, make_party(tmp_path, "ben", swarm_key=theirs)):
        assert code_of(outcome) == "wrong-swarm"


def test_a_stranger_who_calls_gets_nothing_made_with_the_swarm_key(tmp_path: Path) -> None:
    """Neither before a proof nor for a wrong one: nothing to try guesses on."""
    eve, ben = make_party(tmp_path, "eve"), make_party(tmp_path, "ben", swarm_key=b"k" * 32)

    async def scenario() -> tuple[list[wire.HandshakeMessage], bytes]:
        async with tls_pair(ben) as (client, server):
            accepting = asyncio.create_task(accept_on(server, ben))
            hello = hello_of(eve)
            client.send(hello)
            answers = [await client.receive()]
            assert isinstance(answers[0], wire.Hello)
            seen = certificate_seen_by(client)
            client.send(proof_of(eve, hello, answers[0], seen, "connecting"))
            answers.append(await client.receive())
            await accepting
            return answers, await client.rest()

    answers, rest = run(scenario)
    assert [type(answer) for answer in answers] == [wire.Hello, wire.Refused]
    assert rest == b""


def test_who_is_not_admitted_is_told_why_and_gets_no_proof(tmp_path: Path) -> None:
    ann, ben = make_party(tmp_path, "ann"), make_party(tmp_path, "ben")

    async def admit(remote: RemoteParty) -> None:
        assert remote.peer_id == ann.identity.peer_id
        raise HandshakeError("busy", "There are too many.")

    async def scenario() -> tuple[Outcome, Outcome]:
        async with tls_pair(ben) as (client, server):
            ours, theirs = await asyncio.gather(
                connect_on(client, ann), accept_on(server, ben, admit)
            )
            return ours, theirs

    for outcome in run(scenario):
        assert code_of(outcome) == "busy"
        assert str(outcome) == "There are too many."


def test_a_peer_does_not_connect_to_itself(tmp_path: Path) -> None:
    ann = make_party(tmp_path, "ann")
    for outcome in shake(ann, ann):
        assert code_of(outcome) == "self-connect"
        assert "cannot connect peer to itself" in str(outcome)


# --- rogues that connect ----------------------------------------------------------------------


async def rogue_connects(
    client: End,
    shown: LocalParty,
    *,
    hello: wire.Hello | None = None,
    certificate: bytes | None = None,
    role: str = "connecting",
) -> wire.HandshakeMessage:
    """Shake hands without checking anything; return the answer to the proof."""
    ours = hello or hello_of(shown)
    client.send(ours)
    theirs = await client.receive()
    assert isinstance(theirs, wire.Hello)
    seen = certificate or certificate_seen_by(client)
    client.send(proof_of(shown, ours, theirs, seen, role))
    return await client.receive()


def test_the_words_of_the_protocol_are_enough_to_connect(tmp_path: Path) -> None:
    ann, ben = make_party(tmp_path, "ann", 4001, b"k"), make_party(tmp_path, "ben", 4002, b"k")

    async def scenario() -> None:
        async with tls_pair(ben) as (client, server):
            accepting = asyncio.create_task(accept_on(server, ben))
            assert isinstance(await rogue_connects(client, ann), wire.Proof)
            assert await accepting == RemoteParty(ann.identity.peer_id, "ann", 4001)

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("another swarm key", "wrong-swarm"),
        ("somebody else's public key", "bad-proof"),
        ("a proof for another certificate", "bad-proof"),
        ("a proof of the other role", "bad-proof"),
    ],
)
def test_the_accepting_side_refuses(tmp_path: Path, kind: str, code: str) -> None:
    ann, ben = make_party(tmp_path, "ann"), make_party(tmp_path, "ben")
    eve = make_party(tmp_path, "eve")

    async def scenario() -> tuple[wire.HandshakeMessage, Outcome, bytes]:
        async with tls_pair(ben) as (client, server):
            accepting = asyncio.create_task(accept_on(server, ben))
            match kind:
                case "another swarm key":
                    answer = await rogue_connects(client, replace(eve, swarm_key=b"x"))
                case "somebody else's public key":
                    answer = await rogue_connects(client, claiming(eve, ann))
                case "a proof for another certificate":
                    answer = await rogue_connects(client, eve, certificate=b"another")
                case _:
                    answer = await rogue_connects(client, eve, role="accepting")
            return answer, await accepting, await client.rest()

    answer, outcome, rest = run(scenario)
    assert isinstance(answer, wire.Refused)
    assert answer.code == code == code_of(outcome)
    assert answer.reason
    assert rest == b""


def test_a_proof_of_an_earlier_session_is_worth_nothing(tmp_path: Path) -> None:
    """The accepting side's nonce is fresh, so the transcript is another one."""
    ann, ben = make_party(tmp_path, "ann"), make_party(tmp_path, "ben")
    recorded: list[wire.Proof] = []

    async def scenario() -> wire.HandshakeMessage:
        ours = hello_of(ann)
        async with tls_pair(ben) as (client, server):
            accepting = asyncio.create_task(accept_on(server, ben))
            client.send(ours)
            theirs = await client.receive()
            assert isinstance(theirs, wire.Hello)
            seen = certificate_seen_by(client)
            recorded.append(proof_of(ann, ours, theirs, seen, "connecting"))
            client.send(recorded[0])
            assert isinstance(await client.receive(), wire.Proof)
            await accepting
        async with tls_pair(ben) as (client, server):
            accepting = asyncio.create_task(accept_on(server, ben))
            client.send(ours)
            await client.receive()
            client.send(recorded[0])
            answer = await client.receive()
            assert code_of(await accepting) == "bad-proof"
            return answer

    answer = run(scenario)
    assert isinstance(answer, wire.Refused)
    assert answer.code == "bad-proof"


def opening(tmp_path: Path, *frames: bytes) -> tuple[Outcome, bytes]:
    """Send raw bytes to an accepting peer, and no more; return its outcome and its answer."""
    ben = make_party(tmp_path, "ben")

    async def scenario() -> tuple[Outcome, bytes]:
        async with tls_pair(ben) as (client, server):
            accepting = asyncio.create_task(accept_on(server, ben))
            for frame in frames:
                client.writer.write(frame)
            return await accepting, await client.rest()

    return run(scenario)


@pytest.mark.parametrize("version", [0, 1, 3, -1, 1 << 40])
def test_another_protocol_version_is_refused_by_name(tmp_path: Path, version: int) -> None:
    eve = make_party(tmp_path, "eve")
    hello = wire.Hello(
        protocol=version,
        public_key=eve.identity.public_key,
        nonce=bytes(32),
        name="eve",
        port=1,
    )
    outcome, answer = opening(tmp_path, wire.encode_frame(hello))
    assert code_of(outcome) == "protocol-version"
    assert f"protocol {version}, this one 2" in str(outcome)
    assert b"protocol-version" in answer


@pytest.mark.parametrize(
    "data",
    [
        (64 * 1024 + 1).to_bytes(4, "big"),
        b"\xff" * 4,
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(4),
        (5).to_bytes(4, "big") + b"\xc1\xc1\xc1\xc1\xc1",
        wire.encode_frame(wire.Ping()),
        wire.encode_frame(wire.Proof(signature=bytes(64), swarm=bytes(32))),
    ],
    ids=["too long", "absurdly long", "http", "empty", "garbage", "ping", "proof"],
)
def test_anything_but_a_hello_ends_it_without_an_answer(tmp_path: Path, data: bytes) -> None:
    outcome, answer = opening(tmp_path, data)
    assert isinstance(outcome, wire.WireError)
    assert answer == b""


def test_a_hello_instead_of_a_proof_ends_it(tmp_path: Path) -> None:
    hello = wire.encode_frame(hello_of(make_party(tmp_path, "eve")))
    outcome, _ = opening(tmp_path, hello, hello)
    assert isinstance(outcome, wire.WireError)
    assert "Expected a proof" in str(outcome)


def test_older_tls_is_not_spoken(tmp_path: Path) -> None:
    ben = make_party(tmp_path, "ben")
    old = client_tls()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    async def scenario() -> None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(tls_of(ben), old):
                pass

    run(scenario)


def test_the_id_cannot_be_chosen(tmp_path: Path) -> None:
    ann, ben = make_party(tmp_path, "ann"), make_party(tmp_path, "ben")
    outcome = shake(ann, ben)[0]
    assert isinstance(outcome, RemoteParty)
    assert outcome.peer_id == peer_id_of(ben.identity.public_key)
