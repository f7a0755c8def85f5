import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headless.dispatch import MAX_WAITING_COMMANDS, Dispatcher, LineDecoder
from headless.envelope import Command, CommandError, Empty, Value
from headless.output import Output
from tests.headless.words import VOCABULARY, Add, Text, Wait

Handle = Callable[[Command], Awaitable[Value]]


class Bench:
    """Commands on a pipe; `replies` is everything that was written."""

    def __init__(self, handle: Handle) -> None:
        self._reading, self._writing = os.pipe()
        self._output = Output(self._writing)
        self.leaving = asyncio.Event()
        self.dispatcher = Dispatcher(LineDecoder(VOCABULARY), handle, self._output, self.leaving)

    async def take(self, *lines: dict[str, Any] | bytes) -> None:
        encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        await self.dispatcher.take(encoded)

    def read(self, count: int) -> list[bytes]:
        """Read so many lines, in a thread, while others are written."""
        with os.fdopen(os.dup(self._reading), "rb") as file:
            return [file.readline() for _ in range(count)]

    def replies(self) -> list[dict[str, Any]]:
        self._output.close(10.0)
        os.close(self._writing)
        with os.fdopen(self._reading, "rb") as file:
            return [json.loads(line) for line in file]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


async def at_once(command: Command) -> Value:
    if isinstance(command, Add):
        raise CommandError("too-much", "No more.")
    return Empty()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_each_line_gets_exactly_one_reply_in_order() -> None:
    async def scenario() -> None:
        bench = Bench(at_once)
        await bench.take(
            {"cmd": "look", "id": 1},
            {"cmd": "add", "number": 1, "id": 2},
            {"cmd": "look", "id": 3},
        )
        await settle()
        assert bench.replies() == [
            {"type": "result", "id": 1, "data": {}},
            {"type": "error", "id": 2, "error": "No more.", "code": "too-much"},
            {"type": "result", "id": 3, "data": {}},
        ]

    run(scenario)


def test_bad_lines_cost_nothing_but_themselves() -> None:
    async def scenario() -> None:
        bench = Bench(at_once)
        await bench.take(b"garbage", {"cmd": "fly", "id": 1}, {"cmd": "look", "id": 2})
        await settle()
        replies = bench.replies()
        assert [(r["type"], r["id"]) for r in replies] == [
            ("error", None),
            ("error", 1),
            ("result", 2),
        ]

    run(scenario)


def test_a_command_that_waits_holds_up_no_other() -> None:
    async def scenario() -> None:
        may_end = asyncio.Event()

        async def handle(command: Command) -> Value:
            if isinstance(command, Wait):
                await may_end.wait()
            return Empty()

        bench = Bench(handle)
        await bench.take(
            {"cmd": "wait", "id": "slow"},
            {"cmd": "look", "id": "quick"},
        )
        await settle()
        may_end.set()
        await settle()
        assert [reply["id"] for reply in bench.replies()] == ["quick", "slow"]

    run(scenario)


def test_after_shutdown_commands_are_refused() -> None:
    async def scenario() -> None:
        bench = Bench(at_once)
        await bench.take({"cmd": "look", "id": 1}, {"cmd": "shutdown", "id": 2}, {"cmd": "look"})
        assert bench.leaving.is_set()
        await bench.take({"cmd": "shutdown", "id": 4}, b"garbage")
        await settle()
        replies = {str(reply["id"]): reply for reply in bench.replies() if reply["id"]}
        assert replies["1"]["type"] == "result"
        assert replies["2"] == {"type": "result", "id": 2, "data": {}}
        assert replies["4"]["code"] == "shutting-down"

    run(scenario)


def test_waiting_commands_are_answered_at_shutdown() -> None:
    async def scenario() -> None:
        never = asyncio.Event()

        async def handle(command: Command) -> Value:
            await never.wait()
            return Empty()

        bench = Bench(handle)
        await bench.take(*({"cmd": "look", "id": number} for number in range(3)))
        await settle()
        await bench.dispatcher.refuse_waiting()
        replies = bench.replies()
        assert sorted(reply["id"] for reply in replies) == [0, 1, 2]
        assert {reply["code"] for reply in replies} == {"shutting-down"}

    run(scenario)


def test_a_defect_of_the_program_costs_no_reply(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async def handle(command: Command) -> Value:
            raise OverflowError

        bench = Bench(handle)
        await bench.take({"cmd": "look", "id": 1})
        await settle()
        assert [(reply["id"], reply["code"]) for reply in bench.replies()] == [
            (1, "internal-error")
        ]

    run(scenario)
    assert "OverflowError" in capsys.readouterr().err


def test_refusing_nothing_returns() -> None:
    async def scenario() -> None:
        await Bench(at_once).dispatcher.refuse_waiting()

    run(scenario)


def test_commands_that_wait_are_bounded() -> None:
    async def scenario() -> None:
        may_end = asyncio.Event()

        async def handle(command: Command) -> Value:
            if isinstance(command, Wait):
                await may_end.wait()
            return Empty()

        bench = Bench(handle)
        count = MAX_WAITING_COMMANDS
        await bench.take(*({"cmd": "wait", "id": number} for number in range(count + 2)))
        may_end.set()
        await settle()
        await bench.take({"cmd": "wait", "id": "later"})
        await settle()
        replies = {reply["id"]: reply for reply in bench.replies()}
        assert {replies[number]["type"] for number in range(count)} == {"result"}
        assert [replies[number]["code"] for number in (count, count + 1)] == ["busy", "busy"]
        assert replies["later"]["type"] == "result"

    run(scenario)


def test_no_command_is_begun_while_nobody_reads_the_replies() -> None:
    """A short line may have a long answer, so lines that are read already wait too."""

    async def scenario() -> None:
        begun = 0

        async def handle(command: Command) -> Value:
            nonlocal begun
            begun += 1
            return Text(text="x" * (1 << 20))

        bench = Bench(handle)
        async with asyncio.TaskGroup() as group:
            group.create_task(bench.take(*({"cmd": "look"} for _ in range(50))))
            for _ in range(500):
                await asyncio.sleep(0)
            assert begun < 10
            replies = await asyncio.to_thread(bench.read, 50)
        assert begun == len(replies) == 50

    run(scenario)
