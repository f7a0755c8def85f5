"""Lets the sources agree on a game's manifest.

The sources vote with digests of their manifests, which take almost no memory. Only the winning
manifest is fetched, from one of its voters, and by one download at a time.
"""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from headless.threads import run_to_end
from peer_cli.catalog import CatalogEntry
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, SessionLostError
from peer_cli.transfer.fetch import DownloadContext, Source, ask_when_free
from peer_cli.transfer.manifest import Manifest, ManifestError, check_manifest

# A source that is hashing reports twice a second, however short the stall timeout is.
HASHING_PATIENCE_S = 3.0
# Files written less than 2 s before are hashed again for the manifest. Reports of hashing do not
# extend that wait, so the manifest may take this many times as long as the digest.
AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Vote:
    """A source's vote, from an IP: the digests of its manifest (see Manifest)."""

    peer_id: str
    ip: str
    digest: bytes
    attributes: bytes
    took_s: float = 0.0  # from the question to the answer


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreed manifest, and the sources that have it, in the given order."""

    manifest: Manifest
    members: tuple[str, ...]


async def agree(
    context: DownloadContext,
    entry: CatalogEntry,
    sources: Sequence[Source],
    on_loss: Callable[[Source, Exception], None],
) -> Agreement | None:
    """Return the manifest that the sources agree on, and who has it; None without one.

    `on_loss` is called with every source that cannot be used, and the reason.
    """
    votes = await _ask_votes(context, entry, sources, on_loss)
    by_id = {source.peer_id: source for source in sources}
    while members := winner(votes, entry.content_digest):
        lied = 0
        for member in most_common_first(members):
            source = by_id[member.peer_id]
            try:
                manifest = await fetch_manifest(context, entry, source, member)
            except (SessionLostError, DeniedError, ManifestError) as error:
                on_loss(source, error)
                votes.remove(member)
                lied += isinstance(error, ManifestError)
            else:
                agreed = [vote.peer_id for vote in votes if vote.digest == member.digest]
                return Agreement(manifest, tuple(agreed))
        if lied < len(members):
            return None  # the largest group has left; the rest may be a lying minority
    return None


async def fetch_manifest(
    context: DownloadContext, entry: CatalogEntry, source: Source, vote: Vote
) -> Manifest:
    """Ask a source for the manifest that it voted for.

    Raises SessionLostError, DeniedError and, for a different or impossible manifest, ManifestError.
    """
    patience_s = max(_patience_s(context), AGAIN * vote.took_s)
    async with context.manifests:
        manifest = await _ask_manifest(context, entry, source, patience_s)
        opinion = await run_to_end(context.pool, manifest.opinion)
    if opinion != (vote.digest, vote.attributes):
        raise ManifestError("its manifest is not the one that it voted for")
    return manifest


async def _ask_manifest(
    context: DownloadContext, entry: CatalogEntry, source: Source, patience_s: float
) -> Manifest:
    reply = await source.session.ask(
        lambda request: wire.GetManifest(request=request, game_id=entry.game_id),
        patience_s,
    )
    if not isinstance(reply, wire.ManifestReply):
        raise ManifestError("it is not a manifest")
    cancelled = threading.Event()
    return await run_to_end(
        context.pool,
        lambda: check_manifest(reply, entry.game_id, entry.version, cancelled),
        cancelled.set,
    )


async def _ask_votes(
    context: DownloadContext,
    entry: CatalogEntry,
    sources: Sequence[Source],
    on_loss: Callable[[Source, Exception], None],
) -> list[Vote]:
    """Ask all sources at once; once the vote is decided, the others must answer soon."""
    asking = {asyncio.create_task(ask_vote(context, entry, source)): source for source in sources}
    votes: dict[str, Vote] = {}
    pending = set(asking)
    addresses = {source.addr.ip for source in sources}
    try:
        while pending:
            decided = is_decided(list(votes.values()), addresses, entry.content_digest)
            done, pending = await asyncio.wait(
                pending,
                timeout=_patience_s(context) if decided else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                for task in pending:
                    reason = "it had not answered when the others agreed"
                    on_loss(asking[task], SessionLostError(reason))
                break
            for task in done:
                try:
                    votes[asking[task].peer_id] = task.result()
                except (SessionLostError, DeniedError, ManifestError) as error:
                    on_loss(asking[task], error)
    finally:
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
    # In the order of the sources, not in the order of their answers.
    return [votes[source.peer_id] for source in sources if source.peer_id in votes]


async def ask_vote(context: DownloadContext, entry: CatalogEntry, source: Source) -> Vote:
    """Ask a source for the digests of its manifest; wait while it hashes.

    Raises SessionLostError, DeniedError and, for a different version, ManifestError.
    """
    began = time.monotonic()
    reply = await ask_when_free(
        source.session,
        lambda request: wire.GetDigest(request=request, game_id=entry.game_id),
        _patience_s(context),
    )
    if not isinstance(reply, wire.Digest) or reply.game_id != entry.game_id:
        raise ManifestError("it is not a manifest's digest")
    if reply.version != entry.version:
        raise ManifestError(f"it is of {reply.game_id} {reply.version}")
    took_s = time.monotonic() - began
    return Vote(source.peer_id, source.addr.ip, reply.digest, reply.attributes, took_s)


def _patience_s(context: DownloadContext) -> float:
    return max(context.stall_s, HASHING_PATIENCE_S)


def winner(votes: Sequence[Vote], content_digest: bytes | None = None) -> list[Vote]:
    """Return the votes of the strictly largest group, in the given order; none if there is none.

    A group's size is the number of addresses that it votes from, because identities cost nothing.
    With a `content_digest` from the catalog nobody votes: only what matches it counts.
    """
    if content_digest is not None:
        return [vote for vote in votes if vote.digest == content_digest]
    sizes = _addresses((vote.digest, vote) for vote in votes)
    largest = [digest for digest, size in sizes.items() if size == max(sizes.values())]
    return [vote for vote in votes if vote.digest in largest] if len(largest) == 1 else []


def most_common_first(votes: Sequence[Vote]) -> list[Vote]:
    """Sort votes for one content by how many addresses agree on the files' attributes."""
    sizes = _addresses((vote.attributes, vote) for vote in votes)
    return sorted(votes, key=lambda vote: -sizes[vote.attributes])


def is_decided(
    votes: Sequence[Vote], addresses: Collection[str], content_digest: bytes | None = None
) -> bool:
    """Tell whether more than half of all addresses that were asked already agree.

    With a `content_digest` from the catalog, tell whether any vote is for it.
    """
    if content_digest is not None:
        return any(vote.digest == content_digest for vote in votes)
    sizes = _addresses((vote.digest, vote) for vote in votes)
    return 2 * max(sizes.values(), default=0) > len(addresses)


def _addresses(votes: Iterable[tuple[bytes, Vote]]) -> dict[bytes, int]:
    """Return the number of addresses that vote for each opinion."""
    groups: defaultdict[bytes, set[str]] = defaultdict(set)
    for opinion, vote in votes:
        groups[opinion].add(vote.ip)
    return {opinion: len(ips) for opinion, ips in groups.items()}
