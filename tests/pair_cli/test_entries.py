"""What the relay remembers, with a clock of the test's own."""

from pair_cli.entries import MAX_MISSES, PRESENCE_S, WINDOW_S, Admission, Entries, Presence, Rate


def test_an_entry_ends_after_its_time_and_a_refresh_renews_it() -> None:
    entries = Entries(10.0, 100)
    assert entries.register("a", b"one", "proof", 0.0) is Admission.REGISTERED
    assert entries.register("b", b"two", "proof", 5.0) is Admission.REGISTERED
    assert entries.register("a", b"new", "proof", 6.0) is Admission.REGISTERED
    assert entries.get("a", 9.0) == b"new"
    assert entries.get("b", 14.9) == b"two"
    assert entries.get("b", 15.0) is None
    assert entries.get("a", 15.9) == b"new"
    assert entries.count(16.0) == 0


def test_only_the_registrant_refreshes() -> None:
    entries = Entries(10.0, 100)
    entries.register("a", b"one", "mine", 0.0)
    for proof in ("yours", None):
        assert entries.register("a", b"two", proof, 1.0) is Admission.CONFLICT
    assert entries.get("a", 2.0) == b"one"
    assert entries.register("a", b"two", "yours", 10.0) is Admission.REGISTERED


def test_without_proof_only_entries_without_proof_are_overwritten() -> None:
    entries = Entries(10.0, 100)
    entries.register("a", b"one", None, 0.0)
    assert entries.register("a", b"two", None, 1.0) is Admission.REGISTERED
    assert entries.register("a", b"three", "proof", 2.0) is Admission.CONFLICT


def test_it_is_full_by_number_and_by_bytes_but_refreshes_go_on() -> None:
    entries = Entries(10.0, 2, max_bytes=10)
    entries.register("a", b"123", None, 0.0)
    assert entries.register("b", b"1234", None, 0.0) is Admission.REGISTERED
    assert entries.register("c", b"1", None, 1.0) is Admission.FULL
    assert entries.register("a", b"123456", None, 2.0) is Admission.REGISTERED
    assert entries.register("a", b"1234567", None, 3.0) is Admission.FULL
    assert entries.register("c", b"1", None, 10.0) is Admission.REGISTERED


def test_presence_lasts_a_minute_and_is_bounded() -> None:
    presence = Presence(2)
    presence.see("a", 0.0)
    assert presence.is_here("a", PRESENCE_S)
    assert not presence.is_here("a", PRESENCE_S + 0.1)
    assert not presence.is_here("b", 0.0)
    for token in ("b", "c"):
        presence.see(token, 1.0)
    assert not presence.is_here("a", 1.0)


def test_a_rate_counts_per_address_and_forgets() -> None:
    rate = Rate(MAX_MISSES)
    for number in range(MAX_MISSES):
        assert rate.over("one", float(number)) is None
        rate.count("one", float(number))
    assert rate.over("one", 20.0) == WINDOW_S - 20.0
    assert rate.over("other", 20.0) is None
    assert rate.over("one", WINDOW_S) is None
