"""How sources vote for a manifest. How they are asked is in test_download_votes."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from peer_cli.transfer.agreement import Vote, is_decided, most_common_first, winner


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
