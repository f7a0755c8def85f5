import pytest

from peer_cli.transfer.tickets import TICKET_LIFETIME_S, TicketBook


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> TicketBook[str]:
    return TicketBook(clock)


def issued(book: TicketBook[str], job: str = "job", ip: str = "1.1.1.1") -> bytes:
    ticket = book.issue(job, ip)
    assert len(ticket) == 32
    return ticket


def test_a_ticket_opens_its_job_once(book: TicketBook[str]) -> None:
    first, second = issued(book, "first"), issued(book, "second")
    assert first != second
    assert book.redeem(second, "1.1.1.1") == "second"
    assert book.redeem(first, "1.1.1.1") == "first"
    assert book.redeem(first, "1.1.1.1") is None
    assert book.redeem(second, "1.1.1.1") is None


@pytest.mark.parametrize("ticket", [b"", bytes(32), bytes(31)])
def test_an_unknown_ticket_opens_nothing(book: TicketBook[str], ticket: bytes) -> None:
    issued(book)
    assert book.redeem(ticket, "1.1.1.1") is None


def test_a_ticket_is_good_from_its_own_address_only(book: TicketBook[str]) -> None:
    ticket = issued(book)
    assert book.redeem(ticket, "1.1.1.2") is None
    assert book.redeem(ticket, "1.1.1.1") == "job"  # the thief has not used it up


@pytest.mark.parametrize(
    ("age", "good"), [(0, True), (9.99, True), (10.0, False), (10.01, False), (1e9, False)]
)
def test_a_ticket_lives_ten_seconds(
    book: TicketBook[str], clock: Clock, age: float, good: bool
) -> None:
    assert TICKET_LIFETIME_S == 10.0
    ticket = issued(book)
    clock.now += age
    assert (book.redeem(ticket, "1.1.1.1") == "job") is good
    clock.now = 100.0
    assert book.redeem(ticket, "1.1.1.1") is None  # forgotten either way


def test_tickets_that_may_still_be_used_are_told(book: TicketBook[str], clock: Clock) -> None:
    issued(book, "first")
    clock.now += 6
    second = issued(book, "second")
    assert book.open_jobs() == ["first", "second"]
    clock.now += 6
    assert book.open_jobs() == ["second"]
    book.redeem(second, "1.1.1.1")
    assert book.open_jobs() == []
