"""How sources vote for a manifest. How they are asked is in test_download_votes."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import pytest

from network.address import Address
from network.limits import RateLimiter
from peer_cli.catalog import CatalogEntry
from peer_cli.network import wire
from peer_cli.network.session import Question, Session
from peer_cli.transfer import agreement
from peer_cli.transfer.agreement import (
    Vote,
    fetch_manifest,
    is_decided,
    most_common_first,
    winner,
)
from peer_cli.transfer.fetch import DownloadContext, Source
from tests.peer_cli.gate import Gate
from tests.peer_cli.transfer.game_files import manifest_of


def votes(told: str, ips: str = "", attributes: str = "") -> list[Vote]:
    """A vote for each letter of `told`; each from an address of its own, unless `ips` says."""
    return [
        Vote(str(n), ip, digest.encode(), opinion.encode())
        for n, (digest, ip, opinion) in enumerate(
            zip(told, ips or "0123456789"[: len(told)], attributes or told, strict=True)
        )
    ]


def names(found: Sequence[Vote]) -> str:
    return "".join(vote.peer_id for vote in found)


@pytest.mark.parametrize(
    ("told", "members"),
    [
        ("a", "0"),
        ("aa", "01"),
        ("aab", "01"),
        ("baa", "12"),
        ("aba", "02"),
        ("aabba", "014"),
        ("abcc", "23"),
        ("", ""),
        ("ab", ""),
        ("aabb", ""),
        ("abc", ""),
        ("aabbc", ""),
    ],
)
def test_the_strictly_largest_group_wins(told: str, members: str) -> None:
    assert names(winner(votes(told))) == members


@pytest.mark.parametrize(
    ("told", "ips", "members"),
    [
        ("abbb", "0111", ""),  # one against one, whatever the one calls itself
        ("aabbb", "01222", "01"),
        ("aabb", "0011", ""),
        ("aab", "001", ""),
        ("aaab", "0012", "012"),  # identities of one address count once, and may serve all the same
    ],
)
def test_votes_of_one_address_count_once(told: str, ips: str, members: str) -> None:
    assert names(winner(votes(told, ips))) == members


def test_the_order_of_the_sources_does_not_decide() -> None:
    for order in permutations(votes("aab")):
        assert sorted(names(winner(order))) == ["0", "1"]


def test_with_a_digest_in_the_catalog_there_is_no_vote() -> None:
    assert names(winner(votes("aab"), b"b")) == "2"
    assert names(winner(votes("aab"), b"a")) == "01"
    assert winner(votes("aab"), b"c") == []
    assert names(winner(votes("ab"), b"b")) == "1"


@pytest.mark.parametrize(
    ("told", "asked", "decided"),
    [("", "0", False), ("a", "0", True), ("a", "01", False), ("aa", "012", True),
     ("aab", "01234", False), ("ab", "012", False), ("aa", "0123", False)],
)  # fmt: skip
def test_a_vote_is_decided_by_more_than_half_of_all_addresses(
    told: str, asked: str, decided: bool
) -> None:
    assert is_decided(votes(told), set(asked)) == decided


def test_the_first_vote_for_the_digest_of_the_catalog_decides() -> None:
    assert is_decided(votes("ba"), set("01234"), b"a")
    assert not is_decided(votes("bbb"), set("0123"), b"a")


def test_the_attributes_that_most_have_are_asked_for_first() -> None:
    assert names(most_common_first(votes("aaa", attributes="xyy"))) == "120"
    assert names(most_common_first(votes("aaa", attributes="xyx"))) == "021"
    assert names(most_common_first(votes("aaaa", ips="0001", attributes="xxxy"))) == "0123"
    assert names(most_common_first(votes("aaaa", ips="0012", attributes="xxyy"))) == "2301"


class SlowSession:
    """Answers with a manifest, and counts how many answers are under way at once."""

    under_way = most = 0

    async def ask(self, question: Callable[[int], Question], patience_s: float) -> wire.Answer:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(10):
            await asyncio.sleep(0)  # others have their turn
        self.under_way -= 1
        files = list(MANIFEST.files)
        return wire.ManifestReply(request=1, game_id="g", version="1", files=files)


MANIFEST = manifest_of({"version.ini": b"1\n"})
VOTE = Vote("a", "10.0.0.1", *MANIFEST.opinion())


def fetching(folder: Path, pool: ThreadPoolExecutor, session: SlowSession, count: int) -> Any:
    """Fetch the manifest of a source `count` times at once."""
    source = Source("a", Address("10.0.0.1", 1), cast("Session", session))
    context = DownloadContext(
        folder, RateLimiter(None), pool, 1.0, print, Gate().caught_up, lambda *_: None
    )
    entry = CatalogEntry("g", "1")
    return asyncio.gather(*(fetch_manifest(context, entry, source, VOTE) for _ in range(count)))


def test_of_all_downloads_one_fetches_a_manifest_at_a_time(tmp_path: Path) -> None:
    """A manifest may be large: eight of them at once would take eight times its memory."""
    session = SlowSession()

    async def scenario(pool: ThreadPoolExecutor) -> None:
        assert await fetching(tmp_path, pool, session, 8) == [MANIFEST] * 8

    with ThreadPoolExecutor(8) as pool:
        asyncio.run(scenario(pool))
    assert session.most == 1


def test_a_cancel_reaches_the_check_of_a_large_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    reached: list[bool] = []

    def check(_: object, game_id: str, version: str, cancelled: threading.Event) -> None:
        begun.set()
        reached.append(cancelled.wait(5))
        raise InterruptedError

    monkeypatch.setattr(agreement, "check_manifest", check)

    async def scenario(pool: ThreadPoolExecutor) -> None:
        task = asyncio.ensure_future(fetching(tmp_path, pool, SlowSession(), 1))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(scenario(pool))
    assert reached == [True]
