"""Ctrl-C, SIGTERM and a closed terminal end a run in the same way, and only once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# CI systems send SIGTERM, a closed terminal sends SIGHUP.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAIT = b"\nCleaning up; this takes some seconds.\n"


class Interruption:
    """The handler of these signals; ``came``: whether one came."""

    def __init__(self) -> None:
        self.came = False
        self._terminals = {os.fstat(number).st_rdev for number in range(3) if os.isatty(number)}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt at the first signal; later ones must not stop the clean-up."""
        if number == signal.SIGHUP:
            self._leave_terminals()
        if not self.came:
            self.came = True
            raise KeyboardInterrupt
        with suppress(OSError):
            os.write(2, _WAIT)

    def _leave_terminals(self) -> None:
        """Redirect descriptors of a closed terminal to /dev/null: writes to it would fail."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names are numbers, no paths
            with suppress(OSError):  # the listing's own descriptor is already closed
                if os.fstat(int(name)).st_rdev in self._terminals:
                    os.dup2(nowhere, int(name))
        os.close(nowhere)


@contextmanager
def end_once() -> Iterator[Interruption]:
    """End the block by KeyboardInterrupt at the first of the signals; ignore later ones.

    Nested blocks share the handler. Ignored signals stay ignored, as under nohup. After a signal
    the handler stays installed, since the process is about to end.
    """
    outer = signal.getsignal(signal.SIGTERM)
    if isinstance(outer, Interruption):
        yield outer
        return
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interruption)
    try:
        yield interruption
    finally:
        if not interruption.came:
            for number, handler in before.items():
                signal.signal(number, handler)
