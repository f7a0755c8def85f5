from network.pace import MIN_RATE, SEEN_S, Pace, Rates


def test_who_keeps_the_rate_is_never_given_up() -> None:
    pace = Pace(10)
    assert all(pace.keeps(2, 2 * MIN_RATE) for _ in range(100))


def test_who_trickles_is_given_up_after_a_window_of_waiting() -> None:
    pace = Pace(10)
    assert [pace.keeps(2, 1) for _ in range(5)] == [True, True, True, True, False]


def test_a_window_that_was_kept_does_not_pay_for_the_next() -> None:
    pace = Pace(10)
    assert pace.keeps(5, 1 << 30)
    assert pace.keeps(5, 1 << 30)
    assert pace.keeps(5, 1)
    assert not pace.keeps(5, 1)


def test_one_long_wait_is_a_sleep_of_this_machine() -> None:
    pace = Pace(10)
    assert pace.keeps(1000, 1)
    assert pace.keeps(1, 1 << 20)


def test_time_without_waiting_is_not_counted() -> None:
    pace = Pace(10)
    assert all(pace.keeps(0, 1) for _ in range(1000))


def test_rates_are_of_late_and_of_those_at_work() -> None:
    rates = Rates()
    rates.tick(0.5, {"fast": 100, "slow": 10, "idle": 0}, {"slow"})  # the fast one is done already
    assert rates.known() == {"fast": 200, "slow": 20}
    rates.tick(0.5, {"fast": 100, "slow": 10, "idle": 0}, {"slow"})
    assert rates.known() == {"fast": 200, "slow": 10}


def test_nobody_is_called_slow_before_its_time() -> None:
    rates = Rates()
    for _ in range(3):
        assert rates.proven() == set()
        rates.tick(SEEN_S / 3, {"a": 0, "idle": 0}, {"a"})
    assert rates.proven() == {"a"}
