"""Which failures of a run are alike: whoever has twenty to read reads one, and sees which ones."""

from collections import Counter
from collections.abc import Iterable, Sequence

from scenarios.report.model import Alike, Failure

# A failed scenario: its key, its failure, and the always-on rules that were broken in it.
Failed = tuple[str, Failure, Sequence[str]]


def alike(failed: Iterable[Failed]) -> list[Alike]:
    """Return the groups of a run's failures, the largest first, else in the run's order.

    A broken rule says more than what failed first: a doubled event is an odd rate in one scenario
    and a wrong count in another. Of several rules the one that most scenarios share counts.
    """
    failed = list(failed)
    spread = Counter(rule for _, _, broken in failed for rule in dict.fromkeys(broken))
    groups: dict[str, list[tuple[str, Failure]]] = {}
    for key, failure, broken in failed:
        # Of equals, `max` returns the first.
        what = max(broken, key=lambda rule: spread[rule], default=failure.expectation)
        groups.setdefault(what, []).append((key, failure))
    found = []
    for what, members in groups.items():
        # The one that failed by this very name shows it best.
        members.sort(key=lambda member: member[1].expectation != what)
        found.append(Alike(what, [key for key, _ in members]))
    return sorted(found, key=lambda group: -len(group.keys))
