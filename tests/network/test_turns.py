import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from network import turns as turns_module
from network.turns import Turns


@pytest.fixture
def no_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "CREDIT_S", 0.0)


@pytest.fixture
def credit_for_three_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "CREDIT_S", 3.0)
    monkeypatch.setattr(turns_module, "MAX_PAUSE_S", 1.0)
    monkeypatch.setattr(turns_module, "PAUSE", 1_000_000)  # each turn costs the most


def run(scenario: Callable[[Turns], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario(Turns())

    asyncio.run(limited())


def test_one_address_has_one_turn_at_a_time_and_others_theirs() -> None:
    async def scenario(turns: Turns) -> None:
        order: list[str] = []

        async def second() -> None:
            async with turns.turn("a"):
                order.append("second")

        async with turns.turn("a"):
            waiting = asyncio.create_task(second())
            async with turns.turn("b"):
                order.append("other")
            order.append("first")
        await waiting
        assert order == ["other", "first", "second"]

    run(scenario)


def test_who_waits_with_others_does_not_wait_for_them() -> None:
    async def scenario(turns: Turns) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(turns.turn("a", alone=False))

    run(scenario)


@pytest.mark.usefixtures("no_credit")
def test_after_a_turn_there_is_a_pause_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "PAUSE", 5)

    async def scenario(turns: Turns) -> None:
        loop = asyncio.get_running_loop()
        async with turns.turn("a"):
            await asyncio.sleep(0.05)
        ended = loop.time()
        async with turns.turn("b"):
            pass
        async with turns.turn("a"):
            assert loop.time() - ended >= 0.2

    run(scenario)


@pytest.mark.usefixtures("no_credit")
def test_who_has_paid_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "MAX_PAUSE_S", 0.0)

    async def scenario(turns: Turns) -> None:
        for number in range(100):
            async with turns.turn(number):
                pass
            await asyncio.sleep(0)
        assert len(turns._turns) < 10

    run(scenario)


@pytest.mark.usefixtures("no_credit")
def test_a_turn_that_took_nothing_has_a_price_as_well() -> None:
    async def scenario(turns: Turns) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(10):
            async with turns.turn("a"):
                pass
        assert loop.time() - began >= 9 * turns_module.BESIDE_S * turns_module.PAUSE

    run(scenario)


@pytest.mark.usefixtures("credit_for_three_turns")
def test_the_first_turns_need_no_pause_until_the_credit_is_used_up() -> None:
    async def scenario(turns: Turns) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(4):
            async with turns.turn("a"):
                pass
        assert loop.time() - began < 1.0
        async with turns.turn("a"):
            assert loop.time() - began >= 0.9

    run(scenario)


@pytest.mark.usefixtures("credit_for_three_turns")
def test_who_waits_with_others_pays_once() -> None:
    async def scenario(turns: Turns) -> None:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(turns.turn("a", alone=False))
        began = loop.time()
        async with turns.turn("a"):
            assert loop.time() - began < 0.9

    run(scenario)
