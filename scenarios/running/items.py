"""Scenarios as pytest items, and the data stored with each and with the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.core.session import Session
from scenarios.running.settings import RunSettings


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with mutants as programs, as the audit runs it.

    It goes on after failed checks, and writes its record to ``name`` in the run's folder.
    """

    name: str
    mutated: Mapping[str, tuple[str, ...]]  # commands by program
    hurry: float = 1.0  # factor for all timeouts, on top of the run's
    alone: bool = False  # runs alone on the machine, like scenarios that measure


# Stored with a run.
settings_key = pytest.StashKey[RunSettings]()
folder_key = pytest.StashKey[Path]()
# Set by the audit's plugin, to run each scenario only with its variants.
variants_key = pytest.StashKey[Callable[[ScenarioInfo], list[Variant]]]()
# Stored with an item.
session_key = pytest.StashKey[Session]()
repetition_key = pytest.StashKey[int]()
variant_key = pytest.StashKey[Variant]()


def scenario_items(
    collector: pytest.Module | pytest.Class, name: str, function: object, info: ScenarioInfo
) -> list[pytest.Function]:
    """Return the items of a scenario: one for each repetition, or for each variant."""
    stash = collector.config.stash
    if variants := stash.get(variants_key, None):
        return [_item(collector, name, function, info, variant=one) for one in variants(info)]
    repeat = stash[settings_key].repeat
    if repeat == 1:
        return [_item(collector, name, function, info)]
    return [
        _item(collector, name, function, info, repetition=repetition)
        for repetition in range(1, repeat + 1)
    ]


def marked(item: pytest.Item) -> ScenarioInfo:
    """Return the ScenarioInfo of an item. Raises LookupError if it is not a scenario."""
    info = info_of(item)
    if info is None:
        raise LookupError(f"{item.nodeid} asks for a scenario's fixture but has no @scenario mark.")
    return info


def variant_of(item: pytest.Item) -> Variant | None:
    """Return the variant of an item, or None."""
    return item.stash.get(variant_key, None)


def session_of(item: pytest.Item) -> Session | None:
    """Return the session of a scenario that has run, or None if it never started one."""
    return item.stash.get(session_key, None)


def item_folder(item: pytest.Item) -> Path:
    """Return the folder of a scenario within the run's folder."""
    variant = variant_of(item)
    folder = item.config.stash[folder_key]
    return (folder / variant.name if variant else folder) / folder_name(item)


def folder_name(item: pytest.Item) -> str:
    """Return the name of a scenario's folder, within that of the run or the variant."""
    scenario_id = marked(item).id
    repeated = item.config.stash[settings_key].repeat > 1
    return f"{scenario_id}/{item.stash[repetition_key]}" if repeated else scenario_id


def _item(
    collector: pytest.Module | pytest.Class,
    name: str,
    function: object,
    info: ScenarioInfo,
    *,
    variant: Variant | None = None,
    repetition: int | None = None,
) -> pytest.Function:
    which = variant.name if variant else repetition
    item: pytest.Function = pytest.Function.from_parent(
        collector,
        name=f"{name}[{which}]" if which else name,
        originalname=name,
        callobj=function,
    )
    factor = collector.config.stash[settings_key].patience
    item.add_marker(pytest.mark.timeout(info.timeout_s * factor))
    item.extra_keyword_matches.add(info.id)
    item.stash[repetition_key] = repetition or 1
    if variant:
        item.stash[variant_key] = variant
    return item
