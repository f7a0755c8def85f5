"""IDs as people write them."""

import pytest

from scenarios.family.ids import UnknownScenarioError, near_ids, select_ids, sort_key

KNOWN = [f"S{number}" for number in (10, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 47)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ["S1", "S2", "S3", "S4", "S5", "S7", "S8", "S9", "S10", "S11", "S12", "S47"]),
        (["S7"], ["S7"]),
        (["s7"], ["S7"]),
        (["S07"], ["S7"]),
        (["S4", "S1"], ["S1", "S4"]),
        (["S1 S4"], ["S1", "S4"]),
        (["S1,s4", "S10"], ["S1", "S4", "S10"]),
        (["S3-S9"], ["S3", "S4", "S5", "S7", "S8", "S9"]),
        (["s3-9"], ["S3", "S4", "S5", "S7", "S8", "S9"]),
        (["S9-S3"], ["S3", "S4", "S5", "S7", "S8", "S9"]),
        (["S8 - S10, S47"], ["S8", "S9", "S10", "S47"]),
        (["S3-S5", "S4"], ["S3", "S4", "S5"]),
    ],
)
def test_selection(texts: list[str], expected: list[str]) -> None:
    assert select_ids(texts, KNOWN) == expected


def test_ids_sort_by_number() -> None:
    assert sorted(["S10", "S9", "S100"], key=sort_key) == ["S9", "S10", "S100"]


@pytest.mark.parametrize("word", ["S6", "S99", "S20-S30", "wurst", "7", "S7x"])
def test_unknown_ids_are_refused_and_named(word: str) -> None:
    with pytest.raises(UnknownScenarioError, match=f"There is no scenario {word}\\. Near ones: S"):
        select_ids(["S1", word], KNOWN)


def test_near_ids() -> None:
    assert near_ids("S6", KNOWN)[:2] == ["S4", "S5"]
    assert "S47" in near_ids("S74", KNOWN)
    assert near_ids("S46", KNOWN)[-1] == "S47"
    assert "S12" in near_ids("s112", KNOWN)


def test_no_scenarios_at_all() -> None:
    with pytest.raises(UnknownScenarioError, match="there are no scenarios"):
        select_ids(["S1"], [])
    assert select_ids([], []) == []


OF_TWO = [*KNOWN, "T1", "T2", "T10"]
FAMILIES = {"lan": "S", "tunnel": "T"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["t1"], ["T1"]),
        (["T1-T9"], ["T1", "T2"]),
        (["t2-10"], ["T2", "T10"]),
        (["S1", "T1"], ["S1", "T1"]),
        (["tunnel"], ["T1", "T2", "T10"]),
        (["Tunnel", "S47"], ["S47", "T1", "T2", "T10"]),
        (["lan,T2"], [*sorted(KNOWN, key=sort_key), "T2"]),
    ],
)
def test_the_letter_is_the_family_s_and_its_name_means_all_of_it(
    texts: list[str], expected: list[str]
) -> None:
    assert select_ids(texts, OF_TWO, FAMILIES) == expected


@pytest.mark.parametrize("word", ["S1-T9", "T3", "X1", "tunel"])
def test_no_id_of_two_families(word: str) -> None:
    with pytest.raises(UnknownScenarioError, match=f"There is no scenario {word}"):
        select_ids([word], OF_TWO, FAMILIES)
