"""What a node wrote since the last command: its reply and later events."""

import json
import threading
from collections.abc import Collection


class Heard:
    """Lets a command wait for the previous reply, as pasted lines must."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._replied = True
        self._events: set[str] = set()
        self._over = False

    def begin(self) -> None:
        """Forget earlier lines; the next command is about to be sent."""
        with self._condition:
            self._replied = False
            self._events.clear()

    def line(self, data: bytes) -> None:
        """Process a line of the node's stdout."""
        try:
            message = json.loads(data)
        except ValueError:
            return  # shown unchanged
        if not isinstance(message, dict):
            return
        with self._condition:
            if message.get("type") in ("result", "error"):
                self._replied = True
            elif isinstance(name := message.get("event"), str):
                self._events.add(name)
            self._condition.notify_all()

    def end(self) -> None:
        """Record that the node has ended."""
        with self._condition:
            self._over = True
            self._condition.notify_all()

    def wait_reply(self) -> bool:
        """Wait for the reply to the last command; return False if the node has ended."""
        with self._condition:
            self._condition.wait_for(lambda: self._replied or self._over)
            return not self._over

    def wait_event(self, names: Collection[str]) -> bool:
        """Wait for one of these events since the last command; return False at the node's end."""
        with self._condition:
            self._condition.wait_for(lambda: self._over or not self._events.isdisjoint(names))
            return not self._over
