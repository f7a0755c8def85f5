"""The interface of the service that handles a program's commands."""

from typing import Protocol

from headless.envelope import Command, Value


class Service(Protocol):
    """Handles the commands, all on one event loop."""

    async def start(self) -> None:
        """Return when commands can be handled."""

    async def handle(self, command: Command) -> Value:
        """Execute or accept a command. Raises CommandError."""

    async def stop(self) -> None:
        """End everything; called once, even if `start` failed or was cancelled."""
