"""How a node ends by itself: with a line on stderr and exit code 1."""

import signal

from sync_cli.startup import report

EXIT_FAILED = 1


class Ending:
    """The exit code of this process, 0 unless something ends it."""

    def __init__(self) -> None:
        self.code = 0

    def fail(self, text: str) -> None:
        """Say why, and end the program as gracefully as `shutdown` does."""
        if self.code == 0:
            self.code = EXIT_FAILED
            report(text)
            signal.raise_signal(signal.SIGTERM)
