"""The pytest plugin of an audit, in every worker: one item per pair, reported with its checks."""

import json
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from scenarios.audit.mutant import Mutant, mutants_of, program_of
from scenarios.audit.pairs import CRASH_CHECKS, UNCHANGED, Pair, PairResult
from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.family.discovery import every_family
from scenarios.running.items import Variant, trial_of, variant_of, variants_key

PAIRS = "pairs.json"
PROGRAMS = "programs"
DETAIL_SHOWN = 600

_pairs = pytest.StashKey[Sequence[Pair]]()
_mutants = pytest.StashKey[dict[str, dict[str, Mutant]]]()  # by family's letter, and name
_errors = pytest.StashKey[list[BaseException]]()


def save_pairs(folder: Path, pairs: list[Pair]) -> None:
    """Write the pairs to run into the run's folder, in this order."""
    (folder / PAIRS).write_text(json.dumps([(pair.mutant, pair.scenario) for pair in pairs]))


def pytest_configure(config: pytest.Config) -> None:
    """Read the pairs of the run."""
    rows = json.loads((_folder(config) / PAIRS).read_text())
    config.stash[_mutants] = {family.letter: mutants_of(family) for family in every_family()}
    pairs: Sequence[Pair] = [Pair(mutant, scenario) for mutant, scenario in rows]
    config.stash[_pairs] = pairs

    def variants(info: ScenarioInfo) -> list[Variant]:
        return [_variant(config, pair) for pair in pairs if pair.scenario == info.id]

    config.stash[variants_key] = variants


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the pairs in the given order."""
    pairs = config.stash[_pairs]
    order = {pair: number for number, pair in enumerate(pairs)}
    items.sort(key=lambda item: order[_pair_of(item)])


# Outermost, so that the runner's own plugin has judged the scenario before, in any loading order.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the pair's outcome to the report of its last phase, as `report.pair`."""
    report = yield
    errors = item.stash.setdefault(_errors, [])
    if call.excinfo is not None:
        errors.append(call.excinfo.value)
    if report.when == "teardown":
        told = vars(report)["scenario"]
        outcome = _outcome(item, errors, told["reason"], told["duration_s"])
        del item.stash[_errors]  # they keep all that the scenario had
        # xdist transmits a report's own attributes.
        vars(report)["pair"] = asdict(outcome)
    return report


def _outcome(
    item: pytest.Item, errors: list[BaseException], skipped: str, duration_s: float
) -> PairResult:
    trial = trial_of(item)
    checks = trial.scene.checks if trial else []
    trouble = trial.scene.trouble if trial else None
    red: dict[str, str] = {}
    for check in checks:
        if not check.passed:
            red.setdefault(check.what, check.detail.strip()[:DETAIL_SHOWN])
    crash = red.get(CRASH_CHECKS[0], "")
    if trouble and trouble.cause == "another-node-ended":
        crash = trouble.text
    for error in errors:
        if isinstance(error, pytest.fail.Exception):
            crash = f"the scenario timed out: {error}"
    first = str(errors[0]).strip().splitlines()[:1] if errors and not skipped else []
    return PairResult(
        pair=_pair_of(item),
        ran={check.what: check.kind for check in checks},
        red=red,
        crash=crash,
        error=f"{type(errors[0]).__name__}: {first[0]}" if first else "",
        skipped=skipped,
        duration_s=duration_s,
    )


def _pair_of(item: pytest.Item) -> Pair:
    info, variant = info_of(item), variant_of(item)
    assert info is not None
    assert variant is not None
    return Pair(variant.name, info.id)


def _variant(config: pytest.Config, pair: Pair) -> Variant:
    if pair.mutant == UNCHANGED:
        return Variant(UNCHANGED, {})
    mutant = config.stash[_mutants][pair.scenario[:1]][pair.mutant]
    program = program_of(mutant)
    command = program.command(_folder(config) / PROGRAMS / mutant.letter / mutant.name)
    in_vain = frozenset(mutant.noticed_by.get(pair.scenario, ()))
    return Variant(mutant.name, {program.name: command}, mutant.hurry, in_vain, mutant.alone)


def _folder(config: pytest.Config) -> Path:
    return Path(config.getoption("--scenario-run")).absolute()
