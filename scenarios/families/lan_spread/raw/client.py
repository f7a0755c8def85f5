"""The connecting side: shakes hands, sends requests and redeems tickets."""

import asyncio
import hashlib
import itertools
import ssl
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .frames import Message, Refused, decode, expect, frame, other_protocol, read_frame
from .handshake import (
    HELLO_S,
    Hands,
    check_proof,
    exchange_hellos,
    peer_id_of,
    swarm_mac,
    transcript,
)
from .readers import SlowReaders
from .session import ANSWER_S, Session
from .source import Offer, Source

READ_SIZE = 1 << 20
BEGIN_SHOWN = 16
NO_PORT = 1  # for one that only knocks


class Client:
    """Executes commands, from the address ``own_ip``."""

    def __init__(self, own_ip: str) -> None:
        self._own_ip = own_ip
        self._key = Ed25519PrivateKey.generate()
        self._source = Source()
        self._readers = SlowReaders()
        self._name = "raw client"
        self._sessions: list[Session] = []
        self._running: list[asyncio.Task[None]] = []

    async def dial(
        self,
        addr: str,
        public_key: str = "",
        swarm_key: str = "",
        fresh: bool = False,
        name: str = "raw client",
    ) -> Message:
        """Shake hands; `fresh` uses a new key. Raises Refused."""
        self._name = name
        if fresh:
            self._key = Ed25519PrivateKey.generate()
        await self._source.listen(self._own_ip)
        reader, writer = await self._begin_tls(addr)
        try:
            hands = await self._prove(reader, writer, public_key, swarm_key)
            theirs = check_proof(expect("proof", await read_frame(reader)), hands)
        except (EOFError, OSError) as error:
            writer.close()
            raise Refused("closed", f"{addr} ended the handshake: {error}") from error
        except Refused:
            writer.close()
            raise
        session = Session(reader, writer, self._source.answer)
        self._sessions.append(session)
        self._running.append(asyncio.create_task(session.run()))
        return {
            "session": len(self._sessions) - 1,
            "peer_id": peer_id_of(theirs),
            "public_key": theirs.hex(),
        }

    async def knock(self, addr: str, swarm_key: str = "") -> Message:
        """Shake hands and record the messages until the handshake ends. Raises Refused."""
        reader, writer = await self._begin_tls(addr)
        told, code = ["hello"], ""
        try:
            await self._prove(reader, writer, "", swarm_key)
            async with asyncio.timeout(ANSWER_S):
                while told[-1] in ("hello", "proof"):
                    message = decode(await read_frame(reader))
                    told.append(str(message["type"]))
                    code = str(message.get("code", code))
        except (OSError, EOFError):
            pass
        except TimeoutError:
            raise Refused("no-end", f"The peer says no more after {told}.") from None
        finally:
            writer.close()
        return {"told": told, "code": code}

    async def library(self, session: int) -> Message:
        """Return the games that the peer advertised last; waits for the first advertisement."""
        async with asyncio.timeout(ANSWER_S):
            return {"games": await asyncio.shield(self._sessions[session].games)}

    async def advertise(self, session: int, games: list[Message]) -> Message:
        """Advertise a library; each of `games` is repeated `times` times."""
        told = [
            {"type": "game", **game, "id": f"{game['id']}{number or ''}"}
            for game, times in ((game, game.pop("times", 1)) for game in map(dict, games))
            for number in range(times)
        ]
        self._sessions[session].send({"type": "library", "games": told})
        return {}

    async def get_manifest(self, session: int, game_id: str) -> Message:
        """Request a game's manifest. Raises Refused."""
        answer = await self._sessions[session].ask("get-manifest", game_id=game_id)
        files = [
            {**file, "blocks": [block.hex() for block in file["blocks"]]}
            for file in answer["files"]
        ]
        return {"version": answer["version"], "files": files}

    async def open_transfer(
        self, session: int, game_id: str, version: str, ranges: list[Message]
    ) -> Message:
        """Request a ticket for `ranges` [{path, offset, length}]. Raises Refused."""
        answer = await self._sessions[session].ask(
            "open-transfer", game_id=game_id, version=version, ranges=ranges
        )
        return {"ticket": answer["ticket"].hex()}

    async def redeem(self, addr: str, ticket: str) -> Message:
        """Redeem a ticket and read until the other side closes. Raises Refused."""
        received, digest = 0, hashlib.sha256()
        try:
            reader, writer = await self._connect(addr, None)
        except OSError as error:
            raise Refused("unreachable", f"{addr}: {error}") from error
        try:
            writer.write(b"LSD1" + bytes.fromhex(ticket))
            while data := await asyncio.wait_for(reader.read(READ_SIZE), ANSWER_S):
                received += len(data)
                digest.update(data)
        except TimeoutError:
            raise Refused("no-end", f"{received} bytes came, and then nothing.") from None
        except ConnectionResetError:
            pass  # a reset also ends the transfer
        finally:
            writer.close()
        return {"received": received, "sha256": digest.hexdigest()}

    async def hold(self, addr: str, tickets: list[str]) -> Message:
        """Redeem tickets and from now on read one byte per second from each."""
        for ticket in tickets:
            try:
                await self._readers.hold(self._own_ip, addr, ticket)
            except OSError as error:
                raise Refused("closed", f"{addr}: {error}") from error
        return {}

    async def press(self, session: int, kind: str, asked: list[Message], times: int) -> Message:
        """Send these requests at once, all of them so many times, and wait for no answer."""
        self._sessions[session].press(kind, asked * times)
        return {}

    async def stop_reading(self, session: int) -> Message:
        """Read nothing of a session any more."""
        self._sessions[session].stop_reading()
        return {}

    async def pressed(self, session: int, count: int) -> Message:
        """Wait for so many answers to those requests; return all so far."""
        return {"answers": await self._sessions[session].pressed.answers(count)}

    async def offer(
        self,
        game_id: str,
        version: str,
        files: Mapping[str, str] = MappingProxyType({}),
        entries: Sequence[tuple[str, str]] = (),
        endless: str = "",
        hashes: Mapping[str, tuple[int, int]] = MappingProxyType({}),
        news: Sequence[tuple[int, int]] = (),
        rows: int = 0,
    ) -> Message:
        """Serve this to peers that request the game. Advertising it is a separate command."""
        self._source.offer(
            game_id,
            Offer(
                version,
                {path: bytes.fromhex(content) for path, content in files.items()},
                [(name, bytes.fromhex(content)) for name, content in entries],
                endless,
                dict(hashes),
                list(news),
                rows,
            ),
        )
        return {}

    async def asked(self, game_id: str) -> Message:
        """Wait until a peer has asked for a game on offer."""
        async with asyncio.timeout(ANSWER_S):
            await self._source.asked(game_id)
        return {}

    async def open_stream(self, session: int, game_id: str, version: str) -> Message:
        """Request a ticket for the unpacked entries. Raises Refused."""
        answer = await self._sessions[session].ask("open-stream", game_id=game_id, version=version)
        return {"ticket": answer["ticket"].hex(), "key": answer["key"].hex()}

    async def redeem_stream(self, addr: str, ticket: str, key: str) -> Message:
        """Redeem a ticket and read all records. Raises Refused, also with `not-authentic`."""
        received, begin = 0, b""
        try:
            reader, writer = await self._connect(addr, None)
        except OSError as error:
            raise Refused("unreachable", f"{addr}: {error}") from error
        writer.write(b"LSD1" + bytes.fromhex(ticket))
        try:
            for number in itertools.count():
                async with asyncio.timeout(ANSWER_S):
                    if not (first := await reader.read(1)):
                        return {"received": received, "begin": begin.hex()}
                    header = first + await reader.readexactly(35)
                    payload = await reader.readexactly(int.from_bytes(header[:4], "big"))
                tag = blake3(payload + number.to_bytes(8, "big"), key=bytes.fromhex(key)).digest()
                if tag != header[4:]:
                    raise Refused("not-authentic", f"Record {number} has a wrong tag.")
                received += len(payload)
                begin = (begin + payload)[:BEGIN_SHOWN]
        except TimeoutError:
            raise Refused("no-end", f"{received} bytes came, and then nothing.") from None
        except (asyncio.IncompleteReadError, ConnectionResetError):
            raise Refused("no-end", f"It ended within a record, after {received} bytes.") from None
        finally:
            writer.close()
        raise AssertionError

    async def end(self) -> None:
        """Close all sessions and wait until they have ended."""
        self._readers.let_go()
        for session, running in zip(self._sessions, self._running, strict=True):
            if not running.done():
                session.say_goodbye()
                session.reading.set()
        if self._running:
            await asyncio.wait(self._running, timeout=ANSWER_S)

    async def _begin_tls(self, addr: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            return await self._connect(addr, context)
        except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
            raise other_protocol(f"it does not begin TLS: {error!r}") from error
        except OSError as error:
            raise Refused("unreachable", f"{addr}: {error}") from error

    async def _prove(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, public: str, swarm: str
    ) -> "Hands":
        """Authenticate; the peer sends the next message."""
        shown = bytes.fromhex(public) or self._key.public_key().public_bytes_raw()
        hands = await exchange_hellos(
            reader, writer, shown, bytes.fromhex(swarm), self._name, self._source.port or NO_PORT
        )
        said = transcript("connecting", hands)
        proof = {"signature": self._key.sign(said), "swarm": swarm_mac(hands, said)}
        writer.write(frame({"type": "proof", **proof}))
        return hands

    async def _connect(
        self, addr: str, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = addr.rpartition(":")
        # A ticket is bound to the address of its session.
        return await asyncio.open_connection(
            host,
            int(port),
            ssl=context,
            ssl_handshake_timeout=HELLO_S if context else None,
            local_addr=(self._own_ip, 0),
        )
