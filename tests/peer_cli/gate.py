"""Stands for the reader of stdout, who may be behind."""

import asyncio


class Gate:
    """`caught_up` returns while it is open; `asked` is set once somebody had to wait."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def caught_up(self) -> None:
        if not self.open.is_set():
            self.asked.set()
            await self.open.wait()
