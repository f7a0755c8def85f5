"""Which run folders stay, and what they take."""

import json
from pathlib import Path

import pytest

from scenarios.core.label import own_label
from scenarios.results.keeping import (
    KeptRun,
    link_copies,
    remove_dead_work,
    remove_old_runs,
    size_on_disk,
    superfluous,
)
from scenarios.results.results import Outcome, RunEnd, RunInfo, ScenarioResult, write_results

MIB = 2**20


def single(number: int, *, size: int = 0, kind: str = "process", failed: bool = False) -> KeptRun:
    return KeptRun(f"{number:03}", kind, size, full=False, failed=failed)


def test_many_single_runs_do_not_evict_the_full_one_nor_the_failed_one() -> None:
    full = KeptRun("000", "process", 5, full=True, failed=True)
    newer = KeptRun("001", "process", 5, full=True, failed=False)
    failed = single(2, failed=True)
    docker = KeptRun("003", "docker", 5, full=True, failed=False)
    singles = [single(number) for number in range(4, 12)]
    gone = superfluous([full, newer, failed, docker, *singles], count=6)
    assert sorted(gone) == ["000", "004", "005", "006", "007", "008"]


def test_the_size_is_limited_too_and_the_newest_stay() -> None:
    runs = [single(number, size=10) for number in range(5)]
    assert sorted(superfluous(runs, size=25)) == ["000", "001", "002"]
    assert superfluous(runs, size=0, spare=["004"]) == ["003", "002", "001", "000"]


def a_run(
    folder: Path, *outcomes: Outcome, ended: RunEnd = "finished", full: bool = False, mib: int = 0
) -> Path:
    (folder / "S1" / "work").mkdir(parents=True)
    (folder / "S1" / "work" / "game.bin").write_bytes(b"x" * mib * MIB)
    rows = [ScenarioResult(f"S{at}", "-", one, 1.0) for at, one in enumerate(outcomes, 2)]
    info = RunInfo(folder.name, "process", 1, {}, full=full)
    write_results(folder, info, rows, ended=ended, cut_off=["S1"] if ended == "underway" else [])
    return folder


def test_folders_are_judged_by_what_they_hold(tmp_path: Path) -> None:
    full = a_run(tmp_path / "20260101-a", "passed", full=True)
    # Interrupted, so it shows less than it says.
    cut = a_run(tmp_path / "20260102-a", "passed", full=True, ended="interrupted")
    audit = tmp_path / "20260103-audit"
    audit.mkdir()
    (audit / "kill-matrix.json").write_text(json.dumps({"whole": True}))
    large = a_run(tmp_path / "20260104-a", "passed", mib=2)
    failed = a_run(tmp_path / "20260105-a", "failed")
    last = a_run(tmp_path / "20260106-a", "passed")
    (tmp_path / "latest").symlink_to(last.name)
    assert sorted(remove_old_runs(tmp_path, spare=[last], size=MIB)) == [cut, large]
    assert sorted(remove_old_runs(tmp_path, count=0)) == [last]
    assert full.is_dir()
    assert failed.is_dir()
    assert audit.is_dir()


def test_a_run_that_goes_on_loses_nothing_and_a_killed_one_its_nodes_files(tmp_path: Path) -> None:
    living = a_run(tmp_path / "20260101-a", ended="underway", mib=1)
    dead = a_run(tmp_path / "20260102-a", ended="underway", mib=1)
    own = own_label(living.name)
    for folder, label in ((living, own), (dead, str(own).replace(own.started, "0"))):
        (folder / "settings.json").write_text(json.dumps({"runner": str(label)}))
    assert remove_dead_work(tmp_path) == ["the nodes' files of S1 in 20260102-a"]
    assert not (dead / "S1" / "work").exists()
    assert (living / "S1" / "work" / "game.bin").is_file()
    assert remove_old_runs(tmp_path, count=0, size=0) == [dead]


def test_copies_become_links_and_what_differs_stays(tmp_path: Path) -> None:
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "game.bin").write_bytes(content * MIB)
    (tmp_path / "a" / "small").write_bytes(b"z")
    (tmp_path / "b" / "small").write_bytes(b"z")
    before = size_on_disk(tmp_path)
    assert link_copies(tmp_path) == MIB
    assert size_on_disk(tmp_path) == before - MIB
    assert (tmp_path / "a" / "game.bin").samefile(tmp_path / "b" / "game.bin")
    assert (tmp_path / "b" / "game.bin").read_bytes() == b"x" * MIB
    assert not (tmp_path / "a" / "small").samefile(tmp_path / "b" / "small")
    assert link_copies(tmp_path) == 0


def test_holes_take_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 * MIB)
    if (tmp_path / "sparse").stat().st_blocks:
        pytest.skip("this file system has no holes")
    assert size_on_disk(tmp_path) == 0
