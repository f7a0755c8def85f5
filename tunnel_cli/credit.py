"""Flow control: how many bytes may be in flight, by credit per stream and one budget. Pure.

A receiver grants credit. Granted bytes that are not yet handed on may have to be kept in memory. A
stream whose reader keeps up holds a few MiB of credit. One whose reader has stopped may fill its
window, because some programs send a hundred megabytes before they read a byte.
"""

from dataclasses import dataclass

from tunnel_cli.wire import INITIAL_CREDIT

WORKING_CREDIT = 4 << 20  # enough to keep a fast link busy
_SHARE = 8  # a grant takes at most this fraction of the free budget


@dataclass
class Budget:
    """The memory that all streams of a node share, in bytes.

    The first INITIAL_CREDIT bytes of each stream are outside the budget, so that no stream starves.
    """

    limit: int
    granted: int = 0

    @property
    def free(self) -> int:
        """Bytes that can still be granted."""
        return max(0, self.limit - self.granted)


@dataclass
class ReceiveWindow:
    """The receiving side of one stream: the sender's remaining credit, and the bytes kept here."""

    budget: Budget
    window: int
    granted: int = INITIAL_CREDIT  # since the stream began, like the two below
    received: int = 0
    handed_on: int = 0
    level: int = INITIAL_CREDIT

    @property
    def buffered(self) -> int:
        """Bytes that have arrived and are waiting for the reader."""
        return self.received - self.handed_on

    @property
    def outstanding(self) -> int:
        """Bytes that may have to be kept here."""
        return self.granted - self.handed_on

    def take(self, count: int) -> bool:
        """Count received bytes; False if the sender had no credit for them."""
        self.received += count
        return self.received <= self.granted

    def hand_on(self, count: int) -> None:
        """Count bytes that the reader took, and return them to the budget."""
        before = self._charged()
        self.handed_on += count
        self.budget.granted += self._charged() - before

    def grant(self) -> int:
        """Return how much credit to grant now (0: none yet), and count it as granted.

        Credit is renewed when half of it is used, and grows fourfold each time, so that a stream
        with little traffic holds little.
        """
        left = self.granted - self.received
        if left > self.level // 2:
            return 0
        level = min(4 * self.level, WORKING_CREDIT)
        wanted = min(level - left, self.window - self.outstanding, self.budget.free // _SHARE)
        amount = max(wanted, INITIAL_CREDIT - self.outstanding)
        # A small grant is not worth a frame, unless the sender has no other credit.
        if amount <= 0 or (amount < INITIAL_CREDIT // 2 and left > 0):
            return 0
        self.level = level
        before = self._charged()
        self.granted += amount
        self.budget.granted += self._charged() - before
        return amount

    def close(self) -> None:
        """Return everything to the budget."""
        self.budget.granted -= self._charged()
        self.handed_on = self.granted

    def _charged(self) -> int:
        return max(0, self.outstanding - INITIAL_CREDIT)
