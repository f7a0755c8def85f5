"""`run`: run scenarios."""

import argparse
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from scenarios.command.foreign import add_foreign, read_foreign, runs_on
from scenarios.command.options import (
    AddParser,
    UsageError,
    add_backend,
    add_ids,
    add_pace,
    add_verbosity,
    at_least_one,
    default_jobs,
)
from scenarios.command.saying import say, say_image_briefly, sweep_quietly
from scenarios.family.discovery import select
from scenarios.family.family import Family, Foreign
from scenarios.results.keeping import KEPT_BYTES, KEPT_RUNS, human_size
from scenarios.results.results import DEFAULT_SEED
from scenarios.running.backends import BackendName, Choice, choose_ready_backend
from scenarios.running.run import INTERRUPTED, PASSED, RunRequest, run_scenarios

UNTIL_FAIL_REPEATS = 100

_ABOUT = f"""\
Run scenarios, all or the given ones: S7, s7, S3-S9, "S1 S4", S1,S4, or a family such as lan.

A backend runs every node as a process on its own loopback address (process), or as a container on
an internal network (docker). The longest scenarios start first, by the durations of earlier runs;
scenarios that measure run alone, after the rest.

Every run writes a folder runs/<time>-<backend>-<xxxx>, and runs/latest points at the newest: the
report (report.html), every line that each node read and wrote, with times (<ID>/<node>.jsonl),
trace.json for Perfetto, results.json, junit.xml. Up to {KEPT_RUNS} run folders of
{human_size(KEPT_BYTES)} in total are kept: the newest and, of each kind, the newest of all
scenarios and the newest that failed. A new run removes the others and the leftovers of dead runs:
containers, networks, processes, the nodes' files."""

_EXIT_CODES = """\
exit codes:
  0    every scenario passed (or was skipped or unsupported, with the reason)
  1    at least one failed or did not finish
  2    usage: an unknown ID, a bad option
  3    the environment: no Docker engine answers, the image cannot be built, a program under test
       does not start, the disk is full
  130  interrupted by Ctrl-C, SIGTERM or a closed terminal; everything was cleaned up
"""


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    run = add("run", "run scenarios", _ABOUT, _EXIT_CODES)
    add_ids(run)
    add_backend(run, "; all: process, then docker where an engine answers", "all")
    add_pace(run, "scenarios at once", default_jobs(3))
    run.add_argument(
        "--keep", action="store_true",
        help="keep the nodes' data and state (runs/…/<ID>/work) of passed scenarios too; those "
        "of failed ones are always kept. The nodes themselves always end",
    )  # fmt: skip
    run.add_argument(
        "--pcap", action="store_true",
        help="capture the packets of every node (headers only) into runs/…/<ID>/<node>.pcap; "
        "needs tcpdump and permission to capture",
    )  # fmt: skip
    run.add_argument(
        "--seed", type=int, metavar="N",
        help="seed of everything random (default: 1; with --random-order a new one, "
        "which is printed)",
    )  # fmt: skip
    run.add_argument(
        "--random-order", action="store_true",
        help="run in a random order, given by the seed; scenarios that measure still come last",
    )  # fmt: skip
    run.add_argument(
        "--repeat", type=at_least_one, metavar="N",
        help="run each scenario N times; each turn has its own folder, runs/…/<ID>/<turn>",
    )  # fmt: skip
    run.add_argument(
        "--full-length", action="store_true",
        help="for as long, and with as many bytes or files, as specified, also in those scenarios "
        "that otherwise take and move about a tenth of it",
    )  # fmt: skip
    run.add_argument(
        "--until-fail", action="store_true",
        help=f"end the run at the first failure; repeats at most {UNTIL_FAIL_REPEATS} times, or "
        "as often as --repeat says",
    )  # fmt: skip
    add_foreign(run)
    add_verbosity(
        run, "also print what starts and what it proves, and tracebacks of failures",
        "only failures and the closing lines",
    )  # fmt: skip
    run.add_argument(
        "--no-color", action="store_false", dest="colour",
        help="no colours, even on a terminal; the environment variable NO_COLOR does the same",
    )  # fmt: skip


def carry_out(options: argparse.Namespace, families: Iterable[Family], root: Path) -> int:
    """Run the scenarios; return the exit code."""
    chosen = select(options.ids, families)
    foreign = read_foreign(options, families)
    request = RunRequest(
        jobs=options.jobs,
        keep=options.keep,
        pcap=options.pcap,
        timeout_factor=options.timeout_factor,
        seed=_seed(options),
        repeat=options.repeat or (UNTIL_FAIL_REPEATS if options.until_fail else 1),
        full_length=options.full_length,
        until_fail=options.until_fail,
        random_order=options.random_order,
        verbosity=options.verbosity,
        colour=options.colour,
        foreign=foreign,
        command=options.command_line,
        full=not options.ids,
        root=root,
        say_of_image=say if options.verbosity > 0 else say_image_briefly(),
    )
    sweep_quietly()
    code = PASSED
    tested = {found.family for found in chosen.values()}
    for choice in _choices(_backend_for(options.backend, foreign), tested, request.say_of_image):
        one = run_scenarios(request, choice, chosen)
        if one == INTERRUPTED:
            return one
        code = max(code, one)
    return code


def _seed(options: argparse.Namespace) -> int:
    if options.seed is not None:
        return int(options.seed)
    return secrets.randbelow(10**6) if options.random_order else DEFAULT_SEED


def _backend_for(
    wanted: BackendName | Literal["all"], foreign: Mapping[str, Foreign]
) -> BackendName | Literal["all"]:
    """Return the requested backend, or the one that the foreign programs need."""
    only = runs_on(foreign)
    if only is None:
        return wanted
    if wanted not in ("auto", only):
        kind = "a command" if only == "process" else "an image"
        raise UsageError(f"A program that is {kind} needs --backend {only}, not {wanted}.")
    return only


def _choices(
    backend: BackendName | Literal["all"],
    families: Iterable[Family],
    say_of_image: Callable[[str], None],
) -> list[Choice]:
    if backend != "all":
        return [choose_ready_backend(backend, families, say_of_image)]
    process = choose_ready_backend("process", families, say_of_image)
    other = choose_ready_backend("auto", families, say_of_image)
    if other.name == "docker":
        return [process, other]
    say(f"Skipping the scenarios on docker. {other.reason}")
    return [process]
