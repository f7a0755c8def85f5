"""A pipe to a reader or from a writer."""

import json
import os
from typing import Any


class Pipe:
    """A pipe whose ends can be closed one by one, and are at the end."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}

    def close(self, *ends: int) -> None:
        for end in self._open.intersection(ends or self._open):
            self._open.discard(end)
            os.close(end)

    def lines(self) -> list[dict[str, Any]]:
        """Everything up to the end, as JSON."""
        self.close(self.writing)
        with os.fdopen(os.dup(self.reading), "rb") as file:
            return [json.loads(line) for line in file]
