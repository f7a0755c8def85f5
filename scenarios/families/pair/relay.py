"""Asks a pair's relay what nobody else asks."""

from typing import Any

from scenarios.core.node import Node
from scenarios.families.pair.pair import Pair


class Asker:
    """Asks the relay as one that is no peer."""

    def __init__(self, pair: Pair) -> None:
        self._addr = pair.relay_addr
        self.node: Node = pair.client()

    def status(self, method: str, path: str, token: str | None = None, **more: Any) -> int:
        """Return the status of an answer."""
        return int(self.ask(method, path, token, **more)["status"])

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> dict[str, Any]:
        """Return an answer."""
        return self.node.request(
            "ask", addr=self._addr, method=method, path=path, token=token, **more
        )

    def times(self, command: str, count: int) -> dict[str, Any]:
        """Ask so many times."""
        return self.node.request(command, addr=self._addr, count=count, seed=1)
