"""The reply to `list-peers`, when the other peers have very many games."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from network.address import parse_address
from peer_cli.network import wire
from tests.peer_cli.network.nodes import node
from tests.peer_cli.network.tls_pair import run
from tests.peer_cli.peer_process import command_line, make_place

MIB = 1 << 20
ADDRESSES, PEERS_OF_EACH = 2, 7
GAMES = [
    wire.Game(
        id=f"game-{number:03}",
        version='"' * 4096,  # twice as long in JSON
        availability="Ready",
        downloaded=True,
        installed=False,
        size=5,
    )
    for number in range(230)
]


def peak_memory(process_id: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_a_long_reply_takes_little_memory(tmp_path: Path) -> None:
    place = make_place(tmp_path)

    async def scenario() -> None:
        process = await asyncio.create_subprocess_exec(
            *command_line(place.flags()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * MIB,
        )
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        async def line() -> dict[str, Any]:
            message: dict[str, Any] = json.loads(await stdout.readline())
            return message

        address = parse_address((await line())["data"]["addr"])
        async with contextlib.AsyncExitStack() as stack:
            for number in range(ADDRESSES * PEERS_OF_EACH):
                ip = f"127.0.0.{10 + number % ADDRESSES}"
                folder = tmp_path / str(number)
                folder.mkdir()
                one = await stack.enter_async_context(node(folder, "one", listen=ip))
                one.games = GAMES
                await one.connections.connect(address)
                while (await line()).get("event") != "remote-library-changed":
                    pass
            before = peak_memory(process.pid)
            stdin.write(b'{"cmd":"list-peers","id":1}\n')
            while (reply := await line())["type"] == "event":
                pass
            taken = peak_memory(process.pid) - before
        stdin.close()
        await process.wait()
        rows = reply["data"]["peers"]
        assert [row["game_count"] for row in rows] == [len(GAMES)] * ADDRESSES * PEERS_OF_EACH
        for row in rows:
            told = [(game["id"], game["eti_version"]) for game in row["games"]]
            assert told == [(game.id, game.version) for game in GAMES]
        assert taken < 16 * MIB

    run(scenario)
