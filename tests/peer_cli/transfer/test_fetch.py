"""What a download asks of a source, and which faults of one are its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from network.address import Address
from network.limits import RateLimiter
from peer_cli.catalog import CatalogEntry
from peer_cli.install.entries import malformed
from peer_cli.install.errors import InstallError, SenderError
from peer_cli.install.unpacker import Unpacker
from peer_cli.network import wire
from peer_cli.network.session import (
    DeniedError,
    NoAnswerError,
    Question,
    Session,
    SessionLostError,
)
from peer_cli.transfer.dataplane import NoProgressError, TransferLostError
from peer_cli.transfer.download import Download, DownloadError
from peer_cli.transfer.fetch import DownloadContext, Source, ask_ticket, deserves_ban
from peer_cli.transfer.manifest import ManifestError
from peer_cli.transfer.receive import CorruptSourceError
from peer_cli.transfer.streamed import StreamedInstall
from tests.peer_cli.gate import Gate
from tests.peer_cli.transfer.scripted_source import ScriptedSource, listening


@pytest.mark.parametrize(
    ("error", "asleep", "awake"),
    [
        (CorruptSourceError("wrong bytes"), True, True),
        (ManifestError("impossible"), True, True),
        (malformed("frames without data"), True, True),
        (NoProgressError("it trickles"), False, True),
        (NoAnswerError("it only hashes"), False, True),
        (SenderError("malformed-stream", "Its own words."), False, False),
        (InstallError("crc-mismatch", "The archive is damaged."), False, False),
        (InstallError("stream-not-authentic", "Somebody in the path."), False, False),
        (DeniedError("busy", "Not now."), False, False),
        (TransferLostError("gone"), False, False),
        (SessionLostError("gone"), False, False),
    ],
)
def test_only_who_is_to_blame_is_banned(error: Exception, *, asleep: bool, awake: bool) -> None:
    for responsive, banned in ((False, asleep), (True, awake)):
        session = cast("Session", SimpleNamespace(is_responsive=responsive))
        source = Source("a", Address("10.0.0.1", 1), session)
        assert deserves_ban(source, error) == banned, responsive


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("seal", [None, bytes(32)])
def test_data_that_was_to_be_encrypted_is_not_taken_in_clear(
    *, encrypt: bool, seal: bytes | None
) -> None:
    """A source may encrypt unasked, but nobody may leave it out."""
    ticket = wire.StreamTicket(request=1, ticket=bytes(32), key=bytes(32), seal=seal)
    asked: list[Question] = []

    async def answer(question: Callable[[int], Question], patience_s: float) -> wire.Answer:
        asked.append(question(1))
        return ticket

    def question(request: int) -> wire.OpenStream:
        return wire.OpenStream(request=request, game_id="g", version="1", encrypt=encrypt)

    session = cast("Session", SimpleNamespace(ask=answer))
    asking = ask_ticket(session, wire.StreamTicket, question, 1.0)
    if encrypt and seal is None:
        with pytest.raises(DeniedError) as caught:
            asyncio.run(asking)
        assert caught.value.code == "not-encrypted"
    else:
        assert asyncio.run(asking) == ticket
    assert [one.encrypt for one in asked if isinstance(one, wire.OpenStream)] == [encrypt]


class ClearSource(ScriptedSource):
    """Has a ticket for everything, and encrypts nothing."""

    async def ask(self, question: Callable[[int], Question], patience_s: float) -> wire.Answer:
        if isinstance(question(1), wire.OpenStream):
            return wire.StreamTicket(request=1, ticket=bytes(32), key=bytes(32))
        return await super().ask(question, patience_s)


@pytest.mark.parametrize("way", ["download", "stream", "archives of a digest"])
def test_who_wants_encryption_gets_nothing_without_it(tmp_path: Path, way: str) -> None:
    game = {"version.ini": b"1\n", "a.eti": b"archive"}

    async def scenario() -> None:
        source = ClearSource("a", game)
        with ThreadPoolExecutor(4) as pool:
            context = DownloadContext(
                tmp_path, RateLimiter(None), pool, 5.0, lambda _: None, Gate().caught_up,
                lambda *_: None, encrypt=True,
            )  # fmt: skip
            digest = source.manifest.digest() if way == "archives of a digest" else None
            entry = CatalogEntry("g", "1", content_digest=digest)
            async with listening(source) as sources, asyncio.timeout(20):
                if way == "download":
                    await Download(context, tmp_path, entry, sources).run()
                else:
                    root = tmp_path / "g"
                    await StreamedInstall(context, root, entry, Unpacker(), sources).run()

    with pytest.raises(DownloadError, match="the source does not encrypt its data"):
        asyncio.run(scenario())
    assert not (tmp_path / "g").exists()
