"""Measures the speed of others: whether one keeps a minimum rate, and who is faster. Pure."""

from collections.abc import Collection, Mapping

MIN_RATE = 1024  # bytes per second; a user's limit below this ends transfers
SEEN_S = 2.0  # no source counts as slow before this many seconds of work


class Pace:
    """Adds up the seconds that this side waited for the other, and the bytes that moved meanwhile.

    Time spent on this side's disk or limits is not the other side's fault, so only waiting counts,
    in windows of `window_s` seconds.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._waited_s = 0.0
        self._moved = 0

    def keeps(self, waited_s: float, moved: int) -> bool:
        """Add a wait and the bytes that it brought; tell whether the rate is kept so far.

        One wait counts for at most half a window: after this machine has slept, a wait is long
        through no fault of the other side.
        """
        self._waited_s += min(waited_s, self._window_s / 2)
        self._moved += moved
        if self._waited_s < self._window_s:
            return True
        kept = self._moved >= MIN_RATE * self._waited_s
        self._waited_s, self._moved = 0.0, 0
        return kept


class Rates:
    """The recent rates of several sources, each over the time that it worked."""

    def __init__(self) -> None:
        self._moved: dict[str, int] = {}
        self._rates: dict[str, float] = {}
        self._seen_s: dict[str, float] = {}

    def tick(self, seconds: float, moved: Mapping[str, int], busy: Collection[str]) -> None:
        """Record the total bytes moved by each source; the last tick was `seconds` ago."""
        for source, count in moved.items():
            rate = (count - self._moved.get(source, 0)) / seconds
            self._moved[source] = count
            if source in busy or rate > 0:
                self._rates[source] = (self._rates.get(source, rate) + rate) / 2
                self._seen_s[source] = self._seen_s.get(source, 0.0) + seconds

    def known(self) -> dict[str, float]:
        """Return bytes per second for each source that has worked at all."""
        return dict(self._rates)

    def proven(self) -> set[str]:
        """Return the sources that have worked long enough to count as slow."""
        return {source for source, seen_s in self._seen_s.items() if seen_s >= SEEN_S}
