import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from peer_cli import messages
from peer_cli.commands import Commands
from peer_cli.console import Output
from peer_cli.messages import CommandError

Handle = Callable[[messages.Command], Awaitable[messages.Result]]


class Bench:
    """Commands on a pipe; `replies` is everything that was written."""

    def __init__(self, handle: Handle) -> None:
        self._reading, self._writing = os.pipe()
        self._output = Output(self._writing)
        self.leaving = asyncio.Event()
        self.commands = Commands(handle, self._output, self.leaving)

    def take(self, *lines: dict[str, Any] | bytes) -> None:
        encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        self.commands.take(encoded)

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


async def at_once(command: messages.Command) -> messages.Result:
    if isinstance(command, messages.Connect):
        raise CommandError("unreachable", "Nobody there.")
    return messages.Empty()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_each_line_gets_exactly_one_reply_in_order() -> None:
    async def scenario() -> None:
        bench = Bench(at_once)
        bench.take(
            {"cmd": "status", "id": 1},
            {"cmd": "connect", "addr": "x", "id": 2},
            {"cmd": "status", "id": 3},
        )
        await settle()
        assert bench.replies() == [
            {"type": "result", "id": 1, "data": {}},
            {"type": "error", "id": 2, "error": "Nobody there.", "code": "unreachable"},
            {"type": "result", "id": 3, "data": {}},
        ]

    run(scenario)


def test_bad_lines_cost_nothing_but_themselves() -> None:
    async def scenario() -> None:
        bench = Bench(at_once)
        bench.take(b"garbage", {"cmd": "fly", "id": 1}, {"cmd": "status", "id": 2})
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

        async def handle(command: messages.Command) -> messages.Result:
            if isinstance(command, messages.WaitPeers):
                await may_end.wait()
            return messages.Empty()

        bench = Bench(handle)
        bench.take(
            {"cmd": "wait-peers", "count": 1, "timeout_ms": 1, "id": "slow"},
            {"cmd": "status", "id": "quick"},
        )
        await settle()
        may_end.set()
        await settle()
        assert [reply["id"] for reply in bench.replies()] == ["quick", "slow"]

    run(scenario)


def test_after_shutdown_commands_are_refused() -> None:
    async def scenario() -> None:
        bench = Bench(at_once)
        bench.take({"cmd": "status", "id": 1}, {"cmd": "shutdown", "id": 2}, {"cmd": "status"})
        assert bench.leaving.is_set()
        bench.take({"cmd": "shutdown", "id": 4}, b"garbage")
        await settle()
        replies = {str(reply["id"]): reply for reply in bench.replies() if reply["id"]}
        assert replies["1"]["type"] == "result"
        assert replies["2"] == {"type": "result", "id": 2, "data": {}}
        assert replies["4"]["code"] == "shutting-down"

    run(scenario)


def test_waiting_commands_are_answered_at_shutdown() -> None:
    async def scenario() -> None:
        never = asyncio.Event()

        async def handle(command: messages.Command) -> messages.Result:
            await never.wait()
            return messages.Empty()

        bench = Bench(handle)
        bench.take(*({"cmd": "status", "id": number} for number in range(3)))
        await settle()
        await bench.commands.refuse_waiting()
        replies = bench.replies()
        assert sorted(reply["id"] for reply in replies) == [0, 1, 2]
        assert {reply["code"] for reply in replies} == {"shutting-down"}

    run(scenario)


def test_a_defect_of_the_peer_costs_no_reply(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async def handle(command: messages.Command) -> messages.Result:
            raise OverflowError

        bench = Bench(handle)
        bench.take({"cmd": "status", "id": 1})
        await settle()
        assert [(reply["id"], reply["code"]) for reply in bench.replies()] == [
            (1, "internal-error")
        ]

    run(scenario)
    assert "OverflowError" in capsys.readouterr().err


def test_refusing_nothing_returns() -> None:
    async def scenario() -> None:
        await Bench(at_once).commands.refuse_waiting()

    run(scenario)
