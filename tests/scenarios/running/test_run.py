"""Runs of a tiny family of scenarios: what is shown, what is stored, how it exits."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scenarios.results.history import HISTORY, read_past, remember
from scenarios.results.results import RunResults, ScenarioResult
from tests.scenarios.running.tiny_runner import Runner

ALL_BUT_HANGING = ("S1-S6", "S12")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def by_id(runner: Runner) -> dict[str, dict[str, object]]:
    return {row["id"]: row for row in runner.results()["scenarios"]}


def test_a_passing_run(runner: Runner) -> None:
    done = runner.call("run", "s1", "--backend", "process")
    assert done.code == 0, done.err
    first, *_ = done.out.splitlines()
    assert first.startswith("1 scenario on process, 1 at once, into runs/")
    assert re.search(r"^S1  passed +\d+\.\d s  Ping — 1 ping answered$", done.out, re.MULTILINE)
    assert re.search(r"=+ 1 passed in [\d.]+s =+$", done.out.strip())


def test_results_and_folder(runner: Runner) -> None:
    assert runner.call("run", "S1", "--backend", "process", "--seed", "7").code == 0
    document = runner.results()
    folder = (runner.folder / "runs/latest").resolve()
    assert document["run_id"] == folder.name
    assert document["backend"] == "process"
    assert document["seed"] == 7
    assert {"project", "python", "platform"} <= set(document["versions"])
    (row,) = document["scenarios"]
    assert (row["id"], row["name"], row["outcome"]) == ("S1", "Ping", "passed")
    assert row["evidence"] == "1 ping answered"
    assert row["duration_s"] > 0
    lines = (folder / row["folder"] / "alpha.jsonl").read_text().splitlines()
    assert json.loads(json.loads(lines[0])["text"])["event"] == "ready"
    assert 'name="scenario" value="S1"' in (folder / "junit.xml").read_text()
    assert "1 ping answered" in (folder / "report.html").read_text()
    assert json.loads((folder / "trace.json").read_text())["otherData"]["run"] == folder.name
    (past,) = read_past(runner.folder / HISTORY)
    assert (past.scenario, past.backend, past.turns[0][0]) == ("S1", "process", "passed")


def test_a_report_is_written_again(runner: Runner) -> None:
    assert runner.call("run", "S1", "--backend", "process").code == 0
    folder = (runner.folder / "runs/latest").resolve()
    for name in ("latest", folder.name, f"runs/{folder.name}"):
        (folder / "report.html").unlink()
        again = runner.call("report", name)
        assert again.code == 0
        assert Path(again.out.strip()).resolve() == folder / "report.html"
        assert (folder / "report.html").exists()
    nothing = runner.call("report", "nothing")
    assert (nothing.code, nothing.out) == (2, "")
    assert "nothing is no run" in nothing.err


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_every_outcome(runner: Runner, jobs: str) -> None:
    done = runner.call("run", *ALL_BUT_HANGING, "--backend", "process", "-j", jobs)
    assert done.code == 1
    rows = by_id(runner)
    assert {key: row["outcome"] for key, row in rows.items()} == {
        "S1": "passed",
        "S2": "failed",
        "S3": "unsupported",
        "S4": "skipped",
        "S5": "failed",
        "S6": "failed",
        "S12": "passed",
    }
    assert {key: row["cause"] for key, row in rows.items() if row["outcome"] == "failed"} == {
        "S2": "check",
        "S5": "scenario-broken",
        "S6": "another-node-ended",
    }
    assert "I cannot dance" in str(rows["S3"]["reason"])
    assert "no disconnect" in str(rows["S4"]["reason"])
    assert str(rows["S2"]["failure"]).startswith(
        f"pings: got 1, wanted 2\nat {runner.folder}/tiny_family/test_tiny.py:"
    )
    assert "KeyError: 'missing'" in str(rows["S5"]["failure"])
    assert "pluggy" not in str(rows["S5"]["failure"])
    assert "= 3 failed, 2 passed, 2 skipped in " in done.out.splitlines()[-1]
    assert re.search(r"^FAILED .*::wrong - ", done.out, re.MULTILINE)
    shown = re.findall(r"^(S\d+) ", done.out, re.MULTILINE)
    if jobs == "1":  # the one that measures is last in order; several workers only keep it alone
        assert shown[-1] == "S12"
    assert sorted(shown) == sorted(rows)


def test_one_that_measures_runs_alone(runner: Runner) -> None:
    assert runner.call("run", "S8", "S12", "--backend", "process", "-j", "2").code == 0
    times = {}
    for scenario_id in ("S8", "S12"):
        file = runner.folder / "runs/latest" / scenario_id / "scenario.jsonl"
        times[scenario_id] = [json.loads(line)["at"] for line in file.read_text().splitlines()]
    # Two workers start them at once, so either may come first.
    assert min(times["S12"]) > max(times["S8"]) or min(times["S8"]) > max(times["S12"])


def test_a_failure_says_where_to_look_and_how_to_repeat_it(runner: Runner) -> None:
    done = runner.call("run", "S2", "--backend", "process", "-q")
    assert done.code == 1
    said = (
        "    pings: got 1, wanted 2\n    at FOLDER/tiny_family/test_tiny.py:LINE\n"
        '      trial.check.equal("pings", 1, 2)\n'
        "    cause: check: a check found something else than it expects\n"
        "    Faults placed:\n      none\n    Waited for last:\n      alpha.jsonl:LINE\n"
        "    Last lines of every node:\n      alpha (running):\n"
    )
    shown = re.sub(r"(tiny\.py|alpha\.jsonl):\d+", r"\1:LINE", done.out)
    assert said in shown.replace(str(runner.folder), "FOLDER")
    assert f"    folder: runs/{runner.results()['run_id']}/S2\n" in done.out
    assert "    again:  ./justw peer-cli-tests S2 --backend process\n" in done.out


def test_work_folders_stay_when_it_failed_or_when_asked_to(runner: Runner) -> None:
    runner.call("run", "S1", "S2", "--backend", "process")
    latest = runner.folder / "runs/latest"
    assert not (latest / "S1/work").exists()
    assert (latest / "S2/work/games").exists()
    runner.call("run", "S1", "--backend", "process", "--keep")
    assert (latest / "S1/work/games").exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_repetitions_are_kept_apart_and_counted(runner: Runner, jobs: str) -> None:
    done = runner.call("run", "S1", "S9", "--backend", "process", "--repeat", "3", "-j", jobs)
    assert done.code == 1
    rows = {(row["id"], row["repetition"]): row for row in runner.results()["scenarios"]}
    assert len(rows) == 6
    assert [rows["S1", turn]["outcome"] for turn in (1, 2, 3)] == ["passed"] * 3
    assert [row["outcome"] for row in rows.values()].count("failed") == 1
    for row in rows.values():
        assert row["folder"] == f"{row['id']}/{row['repetition']}"
        assert (runner.folder / "runs/latest" / str(row["folder"]) / "alpha.jsonl").is_file()
    assert "\nS1  3 of 3 passed\n" in done.out
    assert re.search(r"^S9  2 of 3 passed; failed: \d$", done.out, re.MULTILINE)
    assert re.search(r"^S9  failed .* Flaky \(\d of 3\)$", done.out, re.MULTILINE)

    shown = runner.call("history", "S9").out
    assert re.search(r"^S9   process +3 +1 +33\.3% .* [.F]{3}$", shown, re.MULTILINE)
    bad = next(turn for turn in (1, 2, 3) if rows["S9", turn]["outcome"] == "failed")
    good = 1 if bad != 1 else 2
    compared = runner.call("history", "S9", "--compare", f"latest:{bad}", f"latest:{good}").out
    assert re.search(rf'only in latest:{bad}: [\d.]+ s .*"dance"', compared)
    assert re.search(rf'only in latest:{good}: [\d.]+ s .*"ping"', compared)


def test_a_trial_that_is_over_takes_no_memory(runner: Runner) -> None:
    done = runner.call("run", "S1", "S16", "--backend", "process", "--repeat", "3", "-j", "1")
    assert done.code == 0, done.out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_until_fail_stops_at_the_first_failure(runner: Runner, jobs: str) -> None:
    done = runner.call("run", "S9", "--backend", "process", "--until-fail", "-j", jobs)
    assert done.code == 1
    outcomes = [row["outcome"] for row in runner.results()["scenarios"]]
    assert outcomes.count("failed") >= 1
    assert 3 <= len(outcomes) <= 6  # what other workers had begun was let to end
    assert "until one fails" in done.out


def test_a_random_order_can_be_repeated(runner: Runner) -> None:
    def order(*more: str) -> tuple[str, list[str]]:
        ids = ("S1", "S3", "S4", "S6", "S12", "--repeat", "2")
        done = runner.call("run", *ids, "--backend", "process", "--random-order", "-j", "1", *more)
        seed = re.search(r"in the random order of seed (\d+)", done.out)
        assert seed
        return seed[1], re.findall(
            r"^(S\d+ .* \(\d of 2\))", _without_times(done.out), re.MULTILINE
        )

    seed, shown = order()
    assert order("--seed", seed) == (seed, shown)
    assert shown[-1].startswith("S12")
    assert order("--seed", seed + "1")[1] != shown


def test_a_capture_that_cannot_be_is_told_before_anything_runs(runner: Runner) -> None:
    process = runner.start("run", "S1", "--backend", "process", "--pcap", env={"PATH": "/nowhere"})
    out, err = process.communicate(timeout=40)
    assert process.returncode == 3
    assert "tcpdump" in err
    assert "passed" not in out


def test_a_folder_with_brackets_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "copy [1]"
    folder.mkdir()
    runner = Runner(folder)
    for jobs in ("1", "2"):
        done = runner.call("run", "S1", "S8", "--backend", "process", "--repeat", "2", "-j", jobs)
        assert done.code == 0, done.out
        assert "4 passed in" in done.out


def test_a_run_says_what_it_needs_and_ends_when_there_is_no_room(runner: Runner) -> None:
    def took(size: int) -> None:
        rows = [ScenarioResult("S1", "Ping", "passed", 1.0, work_bytes=size)]
        run = RunResults("earlier", "process", 1, {}, scenarios=rows)
        remember(runner.folder / HISTORY, run)

    took(300 * 2**20)
    done = runner.call("run", "S1", "--backend", "process")
    assert done.code == 0
    assert "It will need up to 300 MiB of disk while it runs." in done.out
    took(2**60)
    done = runner.call("run", "S1", "--backend", "process")
    assert done.code == 3
    assert "The run needs up to 1073741824.0 GiB" in done.err
    assert "peer-cli-clean --runs" in done.err


def test_clean_takes_old_runs_only_when_asked_to(runner: Runner) -> None:
    for _ in range(2):
        runner.call("run", "S1", "--backend", "process")
    runner.call("clean")
    assert len(list(runner.folder.glob("runs/2*"))) == 2
    assert "Removed" in runner.call("clean", "--runs").out
    assert not list(runner.folder.glob("runs/2*"))


def test_nowhere_to_write_to_is_said_in_one_line(runner: Runner) -> None:
    (runner.folder / "runs").touch()  # in the way of the folder, for root too
    done = runner.call("run", "S1", "--backend", "process")
    assert done.code == 3
    assert re.fullmatch(r"No folder for this run can be made in .*/runs: .*\n", done.err)


def test_what_a_failure_wanted_and_met_is_on_record_as_data(runner: Runner) -> None:
    def on_record(scenario_id: str) -> dict[str, dict[str, Any]]:
        file = runner.folder / "runs/latest" / scenario_id / "scenario.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        failed = [one for one in records if one["kind"] == "check" and not one["passed"]]
        return {"check": failed[0] if failed else {}, "failure": records[-1]}

    runner.call("run", "S2", "S5", "S10", "S14", "--backend", "process", "-j", "4")
    wrong = on_record("S2")
    assert (wrong["check"]["wanted"], wrong["check"]["got"]) == ("2", "1")
    assert wrong["failure"]["how"] == "expectation"
    assert re.fullmatch(r".*/tiny_family/test_tiny\.py:\d+", wrong["failure"]["where"])
    bug = on_record("S5")["failure"]
    assert (bug["how"], bug["what"]) == ("error", "KeyError: 'missing'")
    late = on_record("S10")["failure"]
    assert late["how"] == "time-up"
    waited = on_record("S14")["check"]
    assert waited["wanted"] == "event ready with answer=42"
    assert waited["got"] == "ready x1"
    assert "the last line of any node is" in waited["why"]
    assert len(waited["near"]) == 1


def test_quiet_and_verbose(runner: Runner) -> None:
    assert "S1" not in runner.call("run", "S1", "--backend", "process", "-q").out
    out = runner.call("run", "S1", "--backend", "process", "-v").out
    assert "S1 started: Ping: a ping is answered" in out


def test_a_worker_that_dies_fails_its_scenario_only(runner: Runner) -> None:
    done = runner.call("run", "S1", "S13", "--backend", "process", "-j", "2")
    assert done.code == 1
    rows = by_id(runner)
    assert rows["S1"]["outcome"] == "passed"
    assert rows["S13"]["outcome"] == "failed"
    assert "crashed" in str(rows["S13"]["failure"])
    assert rows["S13"]["cause"] == "worker-died"


def test_what_the_backend_could_not_do_is_said_without_a_traceback(runner: Runner) -> None:
    assert runner.call("run", "S11", "--backend", "process").code == 1
    row = by_id(runner)["S11"]
    assert row["cause"] == "backend-failed"
    assert str(row["failure"]).startswith("alpha could not be started: ")
    assert "Last lines of every node" in str(row["failure"])
    assert "backends/process.py" not in str(row["failure"])


def test_a_scenario_that_takes_too_long_is_a_timeout(runner: Runner) -> None:
    assert runner.call("run", "S10", "--backend", "process").code == 1
    assert by_id(runner)["S10"]["cause"] == "timeout-still-moving"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["S7"], "There is no scenario S7. Near ones: S5, S6, S8"),
        (["S1", "--timeout-factor", "0"], "is not a factor"),
        (["S1", "-j", "0"], "is not a whole number of 1 or more"),
        (["S1", "--backend", "cloud"], "invalid choice: 'cloud'"),
        (["S1", "--wurst"], "--wurst is not understood"),
    ],
)
def test_usage_errors(runner: Runner, arguments: list[str], complaint: str) -> None:
    done = runner.call("run", *arguments)
    assert done.code == 2
    assert complaint in done.err
    assert not (runner.folder / "runs").exists()


def test_ids_may_stand_between_options(runner: Runner) -> None:
    assert runner.call("run", "S1", "--backend", "process", "S12").code == 0
    assert set(by_id(runner)) == {"S1", "S12"}


def test_docker_without_an_engine_is_trouble_with_the_environment(runner: Runner) -> None:
    done = runner.call("run", "S1", "--backend", "docker")
    assert done.code == 3
    assert "engine" in done.err


def test_auto_without_an_engine_says_which_backend_and_why(runner: Runner) -> None:
    done = runner.call("run", "S1", "--backend", "auto")
    assert done.code == 0
    assert "on process" in done.out
    assert "engine" in done.out.splitlines()[1]


def test_all_without_an_engine_says_what_is_left_out(runner: Runner) -> None:
    done = runner.call("run", "S1", "--backend", "all")
    assert done.code == 0
    assert "Skipping the scenarios on docker." in done.err
    assert done.out.count("passed in") == 1


def test_list(runner: Runner) -> None:
    done = runner.call("list", "S1", "S12")
    assert done.out.splitlines() == [
        "S1   Ping: a ping is answered",
        "S12  Measure: runs alone (measures: runs alone)",
    ]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_plugins_that_are_installed_beside_it_are_not_loaded(runner: Runner, jobs: str) -> None:
    about = runner.folder / "intruder-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: intruder\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[pytest11]\nintruder = intruder\n")
    (runner.folder / "intruder.py").write_text("raise SystemExit('an intruder')\n")
    done = runner.call("run", "S1", "--repeat", jobs, "--backend", "process", "-j", jobs)
    assert done.code == 0, done.err


def test_two_scenarios_with_one_id(runner: Runner) -> None:
    twin = runner.folder / "tiny_family" / "test_twin.py"
    twin.write_text(
        "from scenarios.core.scenario import scenario\n"
        "@scenario('S1', name='Twin', proves='-')\ndef twin(): ...\n"
    )
    done = runner.call("list")
    assert done.code == 2
    assert "Two scenarios are called S1: ping in test_tiny.py and twin in test_twin.py" in done.err


def _without_times(text: str) -> str:
    return re.sub(r" +\d+\.\d s ", " ", text)
