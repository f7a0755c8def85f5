"""Whom to fetch from, while peers come and go."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from blake3 import blake3

from network.certificate import self_signed, server_tls
from network.identity import load_or_create
from network.limits import RateLimiter
from sync_cli.block_server import BlockServer
from sync_cli.incoming import Incoming
from sync_cli.model import Entry, Kind
from sync_cli.plan import Item, Job
from sync_cli.session import Session
from sync_cli.sources import Sources
from sync_cli.tree import Tree

ENTRY = Entry(
    path=b"x", kind=Kind.FILE, version=(("a", 1),), maker="a", made=1, author="a", edited_ns=1,
    size=1, hash=blake3(b"x").digest(),
)  # fmt: skip


def a_session(peer_id: str) -> Session:
    return cast("Session", SimpleNamespace(peer_id=peer_id))


def some_sources() -> Sources:
    return Sources("me", "127.0.0.1", RateLimiter(None), lambda: None, lambda *_: None)


def test_a_job_whose_holder_left_before_it_began_is_not_kept_waiting(tmp_path: Path) -> None:
    async def run() -> None:
        sources = some_sources()
        session = a_session("alpha")
        sources.joined(session)
        job = Job(ENTRY, sources.online(), {0})
        sources.left(session)
        sources.add(job, Incoming(Tree(tmp_path), ENTRY))
        sources.add_holders(job, {"alpha"})
        assert [one for one, _ in sources.plan.orphans()] == [job]

    asyncio.run(run())


def test_a_block_that_comes_twice_completes_its_job_once(tmp_path: Path) -> None:
    async def run() -> None:
        sources = some_sources()
        sources.joined(a_session("alpha"))
        sources.joined(a_session("bravo"))
        job = Job(ENTRY, {"alpha", "bravo"}, {0})
        incoming = Incoming(Tree(tmp_path), ENTRY)
        sources.add(job, incoming)
        items = sources.plan.take("alpha", 1, 1)
        sources.plan.drop_peer("alpha")
        items += sources.plan.take("bravo", 1, 1)
        assert items == [Item(job, 0)] * 2
        for item in items:
            sources._put("bravo", item, memoryview(b"x"))
        assert sources.take_complete() == [(job, incoming)]
        assert sources.take_complete() == []

    asyncio.run(run())


def test_the_token_of_a_peer_holds_for_whichever_of_two_sessions_stays(
    tmp_path: Path,
) -> None:
    context = server_tls(self_signed(load_or_create(tmp_path).private_key))
    server = BlockServer(context, lambda *_: None, RateLimiter(None))
    assert server.token_for("alpha") == server.token_for("alpha") != server.token_for("bravo")
