"""Every deadline of the scenarios, in one place, stretched by one factor."""

from dataclasses import dataclass

READY_S = 10.0
REPLY_S = 10.0
EVENT_S = 20.0
EXIT_S = 10.0
# How long a backend may take to do what it was told (kill, pause, remove).
BACKEND_S = 30.0
# A timeout counts as "nothing moved" when no node of the scenario wrote a line for so long.
STILL_MOVING_S = 2.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines in seconds, multiplied by ``factor`` (``--timeout-factor``) on slow machines."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1000:
            raise ValueError(
                f"The timeout factor {self.factor} makes no sense; give one above 0, such as 2."
            )

    def stretched(self, seconds: float) -> float:
        """Return ``seconds`` as this run counts them."""
        return seconds * self.factor
