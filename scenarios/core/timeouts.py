"""All timeouts of the scenarios, scaled by one factor."""

from dataclasses import dataclass

READY_S = 10.0
REPLY_S = 10.0
EVENT_S = 20.0
EXIT_S = 10.0
# How long a backend may take for an operation (kill, pause, remove).
BACKEND_S = 30.0
# A timeout counts as "nothing moved" if no node of the scenario wrote a line for this long.
STILL_MOVING_S = 2.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds, multiplied by ``factor`` (``--timeout-factor``) for slow machines.

    Those of waits that will be in vain, by their ``what``, are shortened by ``hurry`` too. No other
    wait is: on a busy machine it would fail first.
    """

    factor: float = 1.0
    hurry: float = 1.0
    in_vain: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1000:
            raise ValueError(
                f"The timeout factor {self.factor} makes no sense; give one above 0, such as 2."
            )

    def stretched(self, seconds: float, what: str = "") -> float:
        """Return how many seconds a wait of this name may take."""
        return seconds * self.factor * (self.hurry if what in self.in_vain else 1)
