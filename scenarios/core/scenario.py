"""The decorator that makes a pytest function a scenario: its ID, its name and what it proves."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from scenarios.core.backends.base import Capability

ATTRIBUTE = "scenario_info"
_ID = re.compile(r"[A-Z](0|[1-9][0-9]*)")  # the letter is the family's
F = TypeVar("F", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class ScenarioInfo:
    """The description of a scenario, as in the matrix."""

    id: str  # such as "S7"
    name: str
    proves: str
    measures: bool = False  # runs alone on the machine
    needs: frozenset[Capability] = frozenset()
    timeout_s: float = 120.0  # for the whole scenario, before the timeout factor


def scenario(
    scenario_id: str,
    *,
    name: str,
    proves: str,
    measures: bool = False,
    needs: Iterable[Capability] = (),
    timeout_s: float = 120.0,
) -> Callable[[F], F]:
    """Make a pytest function a scenario: it carries a ScenarioInfo, which ``info_of`` returns."""
    if not _ID.fullmatch(scenario_id):
        raise ValueError(f"{scenario_id!r} is no scenario ID; write it like S7.")
    info = ScenarioInfo(scenario_id, name, proves, measures, frozenset(needs), timeout_s)

    def decorate(function: F) -> F:
        # An attribute, since every pytest configuration would have to register a pytest marker.
        vars(function)[ATTRIBUTE] = info
        return function

    return decorate


def info_of(test: Any) -> ScenarioInfo | None:
    """Return the ScenarioInfo of a pytest item or of a marked function, or None."""
    info = getattr(getattr(test, "obj", test), ATTRIBUTE, None)
    return info if isinstance(info, ScenarioInfo) else None
