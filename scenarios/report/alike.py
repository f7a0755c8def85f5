"""Groups similar failures of a run, so that a reader of twenty needs to read only one."""

from collections import Counter
from collections.abc import Iterable, Sequence

from scenarios.report.model import Alike, Failure

# A failed scenario: its key, its failure, and its broken always-on checks.
Failed = tuple[str, Failure, Sequence[str]]


def alike(failed: Iterable[Failed]) -> list[Alike]:
    """Return the groups of a run's failures, the largest first, else in the run's order.

    A broken always-on check says more than the first failure: a doubled event is an odd rate in one
    scenario and a wrong count in another. Of several, the one that most scenarios share counts.
    """
    failed = list(failed)
    spread = Counter(rule for _, _, broken in failed for rule in dict.fromkeys(broken))
    groups: dict[str, list[tuple[str, Failure]]] = {}
    for key, failure, broken in failed:
        # `max` returns the first of several equal ones.
        what = max(broken, key=lambda rule: spread[rule], default=failure.expectation)
        groups.setdefault(what, []).append((key, failure))
    found = []
    for what, members in groups.items():
        # A scenario whose failure has this name shows it best.
        members.sort(key=lambda member: member[1].expectation != what)
        found.append(Alike(what, [key for key, _ in members]))
    return sorted(found, key=lambda group: -len(group.keys))
