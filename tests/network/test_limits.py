import threading
from collections.abc import Callable

import pytest

from network.limits import RateLimiter, parse_rate

KIB, MIB = 1024, 1024 * 1024


class FakeTime(threading.Condition):
    """A clock that only moves while the one thread of the test waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.on_wait: Callable[[], None] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        self.on_wait()
        return False


def limiter(rate: int | None) -> tuple[RateLimiter, FakeTime]:
    time = FakeTime()
    return RateLimiter(rate, clock=lambda: time.now, condition=time), time


@pytest.fixture
def never() -> threading.Event:
    return threading.Event()


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("80MiB", 80 * MIB),
        ("500KB", 500_000),
        ("500kB", 500_000),
        ("1.5GiB", 3 * 512 * MIB),
        ("65536", 65536),
        ("7B", 7),
        ("2 MB/s", 2_000_000),
        (" 1TiB/s ", 1 << 40),
        ("0.1KB", 100),
        ("1.1KB", 1100),
    ],
)
def test_rates_people_write(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "MiB", "-1", "1e6", "8Mb", "80mib", "80M", "1iB", "1,5MiB", "nan", "inf", "1\u0663"],
)
def test_what_is_no_rate_gets_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rate; .*80MiB"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0", "0MiB", "0.5B"])
def test_a_rate_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="would stop every transfer"):
        parse_rate(text)


@pytest.mark.parametrize("rate", [10 * KIB, MIB, 80 * MIB])
def test_the_rate_is_kept_exactly(rate: int, never: threading.Event) -> None:
    limit, time = limiter(rate)
    began, left = time.now, 10 * rate
    while left:
        piece = limit.slice_size(left)
        assert limit.acquire(piece, never)
        left -= piece
    assert time.now - began == pytest.approx(10, rel=1e-6)


def test_time_spent_between_two_pieces_counts(never: threading.Event) -> None:
    limit, time = limiter(MIB)
    began = time.now
    for _ in range(20):
        limit.acquire(MIB // 20, never)
        time.now += 0.02
    assert time.now - began == pytest.approx(1, abs=0.03)


def test_a_pause_saves_no_more_than_50_ms(never: threading.Event) -> None:
    limit, time = limiter(MIB)
    time.now += 3600
    began = time.now
    limit.acquire(MIB, never)
    assert time.now - began == pytest.approx(0.95, abs=1e-3)


def test_slices_are_a_twentieth_of_a_second() -> None:
    assert limiter(80 * MIB)[0].slice_size(1 << 30) == 4 * MIB
    assert limiter(MIB)[0].slice_size(100) == 100
    assert limiter(10)[0].slice_size(1 << 30) == KIB


def test_without_a_limit_nothing_waits(never: threading.Event) -> None:
    limit, time = limiter(None)
    assert limit.rate is None
    assert limit.slice_size(1 << 30) == 1 << 30
    assert limit.acquire(1 << 40, never)
    assert time.now == 1000.0
    never.set()
    assert not limit.acquire(1, never)


@pytest.mark.parametrize("rate", [None, 10, MIB])
def test_a_cancelled_thread_gets_nothing(rate: int | None, never: threading.Event) -> None:
    limit, time = limiter(rate)
    never.set()
    assert not limit.acquire(100, never)
    assert time.now == 1000.0


def test_cancelling_ends_a_wait_at_once_and_leaves_the_limiter_usable() -> None:
    limit, time = limiter(10)
    cancelled = threading.Event()
    time.on_wait = cancelled.set
    assert not limit.acquire(1 << 30, cancelled)
    assert time.now - 1000 <= 0.1
    began = time.now
    assert limit.acquire(10, threading.Event())
    assert time.now - began == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("rate", "seconds"), [(90, 2.0), (None, 1.0), (9, 11.0)])
def test_a_new_rate_counts_for_who_waits_now(
    rate: int | None, seconds: float, never: threading.Event
) -> None:
    """100 bytes at 10 a second; after one second, 10 of them paid, the rate changes."""
    limit, time = limiter(10)

    def change() -> None:
        if time.now - 1000 > 0.99:
            time.on_wait = lambda: None
            limit.set_rate(rate)

    time.on_wait = change
    assert limit.acquire(100, never)
    assert limit.rate == rate
    assert time.now - 1000 == pytest.approx(seconds, abs=0.1)


def test_who_comes_later_does_not_overtake() -> None:
    limit, time = limiter(10)
    never, later = threading.Event(), threading.Event()
    results: list[bool] = []

    def come_later() -> None:
        """While the first one waits, ask for what it could be given at once."""
        waits = iter(range(20))
        time.on_wait = lambda: later.set() if next(waits, None) is None else None
        results.append(limit.acquire(1, later))
        time.on_wait = lambda: None

    time.on_wait = come_later
    assert limit.acquire(100, never)
    assert results == [False]


def test_a_rate_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RateLimiter(0)
    with pytest.raises(ValueError, match="at least 1"):
        limiter(10)[0].set_rate(-1)


def test_threads_share_the_limit_and_all_get_through() -> None:
    """Real threads and time, without judging how long it took: nobody starves or is stuck."""
    limit = RateLimiter(64 * MIB)
    never = threading.Event()
    passed = []

    def worker() -> None:
        for _ in range(5):
            assert limit.acquire(limit.slice_size(256 * KIB), never)
        passed.append(True)

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(passed) == 8


def test_a_cancelled_thread_in_the_queue_lets_the_others_pass() -> None:
    limit = RateLimiter(1)
    blocked, cancelled = threading.Event(), threading.Event()
    results: list[bool] = []
    first = threading.Thread(target=lambda: limit.acquire(1 << 30, blocked), daemon=True)
    second = threading.Thread(
        target=lambda: results.append(limit.acquire(1 << 30, cancelled)), daemon=True
    )
    first.start()
    second.start()
    cancelled.set()
    second.join(20)
    assert results == [False]
    limit.set_rate(None)
    first.join(20)
    assert not first.is_alive()
