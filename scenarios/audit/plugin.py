"""The pytest plugin of an audit, in every worker: one item for each pair, told with its checks."""

import json
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from scenarios.audit.mutant import Mutant, mutants_by_name
from scenarios.audit.pairs import CRASH_CHECKS, REAL_PEER, Outcome, Pair
from scenarios.core.scenario import info_of
from scenarios.lan_spread.specs import PEER_COMMAND
from scenarios.plugin import Variant, scenario_item, session_of

PAIRS = "pairs.json"
PEERS = "peers"
DETAIL_SHOWN = 600

_pairs = pytest.StashKey[Sequence[Pair]]()
_pair = pytest.StashKey[Pair]()
_mutants = pytest.StashKey[dict[str, Mutant]]()
_errors = pytest.StashKey[list[BaseException]]()


def save_pairs(folder: Path, pairs: list[Pair]) -> None:
    """Write into the run's folder what to run, in this order."""
    (folder / PAIRS).write_text(json.dumps([(pair.mutant, pair.scenario) for pair in pairs]))


def pytest_configure(config: pytest.Config) -> None:
    """Read the pairs of the run."""
    rows = json.loads((_folder(config) / PAIRS).read_text())
    config.stash[_mutants] = mutants_by_name()
    pairs: Sequence[Pair] = [Pair(mutant, scenario) for mutant, scenario in rows]
    config.stash[_pairs] = pairs


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Function] | None:
    """Collect a scenario once for each mutant that it is run with."""
    info = info_of(obj)
    if info is None:
        return None
    items = []
    pairs = collector.config.stash[_pairs]
    for pair in pairs:
        if pair.scenario == info.id:
            item = scenario_item(
                collector, name, obj, info, variant=_variant(collector.config, pair)
            )
            item.stash[_pair] = pair
            items.append(item)
    return items


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the pairs in the order in which they were given."""
    pairs = config.stash[_pairs]
    order = {pair: number for number, pair in enumerate(pairs)}
    items.sort(key=lambda item: order[item.stash[_pair]])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what came of the pair on the report of its last phase, as `report.pair`."""
    report = yield
    errors = item.stash.setdefault(_errors, [])
    if call.excinfo is not None:
        errors.append(call.excinfo.value)
    if report.when == "teardown":
        told = vars(report)["scenario"]
        outcome = _outcome(item, errors, told["reason"], told["duration_s"])
        # xdist carries a report's own attributes over.
        vars(report)["pair"] = asdict(outcome)
    return report


def _outcome(
    item: pytest.Item, errors: list[BaseException], skipped: str, duration_s: float
) -> Outcome:
    session = session_of(item)
    checks = session.scene.checks if session else []
    trouble = session.scene.trouble if session else None
    red: dict[str, str] = {}
    for check in checks:
        if not check.passed:
            red.setdefault(check.what, check.detail.strip()[:DETAIL_SHOWN])
    crash = red.get(CRASH_CHECKS[0], "")
    if trouble and trouble.cause == "another-node-ended":
        crash = trouble.text
    for error in errors:
        if isinstance(error, pytest.fail.Exception):
            crash = f"the scenario's own time was up: {error}"
    first = str(errors[0]).strip().splitlines()[:1] if errors and not skipped else []
    return Outcome(
        pair=item.stash[_pair],
        ran={check.what: check.kind for check in checks},
        red=red,
        crash=crash,
        error=f"{type(errors[0]).__name__}: {first[0]}" if first else "",
        skipped=skipped,
        duration_s=duration_s,
    )


def _variant(config: pytest.Config, pair: Pair) -> Variant:
    if pair.mutant == REAL_PEER:
        return Variant(REAL_PEER, PEER_COMMAND)
    mutant = config.stash[_mutants][pair.mutant]
    # Python looks there before it looks where packages are installed.
    path = f"PYTHONPATH={_folder(config) / PEERS / mutant.name}"
    return Variant(mutant.name, ("env", path, *PEER_COMMAND), mutant.hurry, mutant.alone)


def _folder(config: pytest.Config) -> Path:
    return Path(config.getoption("--scenario-run")).absolute()
