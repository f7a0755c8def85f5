import pytest

from network.places import Places


def places(*crowds: tuple[str, int], total: int = 6, per_address: int = 4) -> Places[str]:
    made: Places[str] = Places(total, per_address)
    for ip, count in crowds:
        for number in range(count):
            made.add(f"{ip}{number}", ip)
    return made


@pytest.mark.parametrize(
    ("crowds", "newcomer", "leaves"),
    [
        ([], "a", None),
        ([("a", 3)], "a", None),
        ([("a", 4)], "a", "a0"),
        ([("a", 4)], "b", None),
        ([("a", 4), ("b", 2)], "c", "a0"),
        ([("a", 2), ("b", 4)], "a", "b0"),
        ([("a", 3), ("b", 3)], "b", "a0"),
    ],
)
def test_the_oldest_leaves_for_strangers(
    crowds: list[tuple[str, int]], newcomer: str, leaves: str | None
) -> None:
    assert places(*crowds).oldest_to_evict(newcomer) == leaves


@pytest.mark.parametrize(
    ("crowds", "newcomer", "leaves"),
    [
        ([], "a", None),
        ([("a", 4)], "b", None),
        ([("a", 4), ("b", 2)], "c", "a3"),
        ([("a", 4), ("b", 2)], "b", "a3"),
    ],
)
def test_the_newest_of_the_largest_crowd_leaves_for_fairness(
    crowds: list[tuple[str, int]], newcomer: str, leaves: str | None
) -> None:
    assert places(*crowds).newest_to_evict(newcomer) == leaves


@pytest.mark.parametrize(
    ("crowds", "newcomer", "text"),
    [
        ([("a", 4)], "a", "4 from a are already here"),
        ([("a", 3), ("b", 3)], "b", "6 are already here"),
        ([("a", 3), ("b", 2), ("c", 1)], "b", "6 are already here"),
        ([(ip, 1) for ip in "abcdef"], "g", "6 are already here"),
    ],
)
def test_nobody_leaves_for_more_than_a_share(
    crowds: list[tuple[str, int]], newcomer: str, text: str
) -> None:
    with pytest.raises(LookupError, match=text):
        places(*crowds).newest_to_evict(newcomer)


def test_places_are_given_back_once() -> None:
    made = places(("a", 2), ("b", 1))
    made.remove("a0", "a")
    made.remove("a0", "a")
    made.remove("b0", "b")
    assert (len(made), made.all()) == (1, ["a1"])
