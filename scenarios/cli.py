"""`python -m scenarios`: the command line."""

import argparse
import os
import secrets
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from scenarios import looking_back, matrix
from scenarios.audit import command as audit_command
from scenarios.audit.mutant import MutantError, mutants_by_scenario
from scenarios.backends import ready_image, remove_left_overs
from scenarios.compare import CompareError
from scenarios.core.backends.base import BackendError
from scenarios.core.backends.choose import BackendName, Choice, choose_backend
from scenarios.discovery import FAMILIES, DiscoveryError, discover, select
from scenarios.history import HistoryError
from scenarios.ids import UnknownScenarioError
from scenarios.options import add_ids, add_pace, add_verbosity, at_least_one, default_jobs
from scenarios.results import KEPT_RUNS, NoResultsError, read_results
from scenarios.run import (
    ENVIRONMENT,
    INTERRUPTED,
    PASSED,
    ROOT,
    RUNS,
    USAGE,
    RunRequest,
    run_scenarios,
)
from scenarios.settings import DEFAULT_SEED
from scenarios.summary import log_row

UNTIL_FAIL_REPEATS = 100

_ABOUT = "Start real peers, make them suffer, and judge what they do."

_RUN_ABOUT = f"""\
Run scenarios, all or those named: S7, s7, S3-S9, "S1 S4", S1,S4.

Each runs on a backend: every node is a process of its own on a loopback address (process), or
a container on an internal network (docker). Longest first by what earlier runs took; scenarios
that measure run alone, after the rest.

Every run leaves a folder runs/<time>-<backend>-<xxxx>, and runs/latest points at the newest: the
report of it all (report.html), what each node read and wrote, with times (<ID>/<node>.jsonl),
trace.json for Perfetto, results.json, junit.xml. The newest {KEPT_RUNS} run folders are kept, older
ones are removed when a run starts. So is what dead runs left: containers, networks, processes."""

_EXIT_CODES = """\
exit codes:
  0    every scenario passed (or was skipped or unsupported, with the reason)
  1    at least one failed
  2    usage: an unknown ID, a bad option
  3    the environment: no Docker engine answers, the image cannot be built
  130  Ctrl-C; everything was cleaned up
"""

_LIVE_ABOUT = """\
Start a peer at your keyboard, with a private copy of the games of fixture-NAME (a name without
a fixture starts with no games). Type a command in its short form, such as

    connect 127.0.0.2:4000     download ggoo --no-install     peers     games     help

or as JSON. Ctrl-C, Ctrl-D and quit end the peer gracefully; its games and its identity go with it.
On a pipe it is all raw: JSON lines in, JSON lines out, nothing else on stdout."""


class UsageError(Exception):
    """Options that do not go together; the message says which."""


def main(
    arguments: Sequence[str] | None = None,
    *,
    families: Iterable[str] = FAMILIES,
    root: Path = ROOT,
) -> int:
    """Carry out a command line and return the exit code.

    Scenarios come from the packages ``families``; runs and durations are kept below ``root``.
    """
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse takes IDs only in one go; people put options between them.
    if rest and (not hasattr(options, "ids") or any(word.startswith("-") for word in rest)):
        parser.error(f"{rest[0]} is not understood; --help shows what there is.")
    if rest:
        options.ids.extend(rest)
    try:
        code: int = COMMANDS[options.command](options, families, root)
    except (
        UnknownScenarioError,
        DiscoveryError,
        CompareError,
        NoResultsError,
        UsageError,
        MutantError,
    ) as error:
        return _complain(error, USAGE)
    except (BackendError, HistoryError) as error:
        return _complain(error, ENVIRONMENT)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read us has seen enough (`… list | head`); keep the shutdown from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PASSED
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="python -m scenarios", description=_ABOUT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = _add_command(commands, "run", "run scenarios", _RUN_ABOUT, _EXIT_CODES)
    add_ids(run)
    _add_backend(run, "; all: process, then docker where an engine answers", "all")
    add_pace(run, "scenarios at once", default_jobs())
    run.add_argument(
        "--keep", action="store_true",
        help="keep the nodes' games and state (runs/…/<ID>/work) of passed scenarios too; those "
        "of failed ones are kept anyway. The nodes themselves always end",
    )  # fmt: skip
    run.add_argument(
        "--pcap", action="store_true",
        help="capture the packets of every node (headers only) into runs/…/<ID>/<node>.pcap; "
        "needs tcpdump and the right to capture",
    )  # fmt: skip
    run.add_argument(
        "--seed", type=int, metavar="N",
        help="where everything random comes from (default: 1; with --random-order a new one, "
        "which is printed)",
    )  # fmt: skip
    run.add_argument(
        "--random-order", action="store_true",
        help="run in an order drawn from the seed; scenarios that measure still come last",
    )  # fmt: skip
    run.add_argument(
        "--repeat", type=at_least_one, metavar="N",
        help="run each scenario N times; each turn has a folder of its own, runs/…/<ID>/<turn>",
    )  # fmt: skip
    run.add_argument(
        "--until-fail", action="store_true",
        help=f"end the run at the first failure; repeats {UNTIL_FAIL_REPEATS} times at most, or "
        "what --repeat says",
    )  # fmt: skip
    foreign = run.add_mutually_exclusive_group()
    foreign.add_argument(
        "--peer-command", type=shlex.split, default=[], metavar="CMD",
        help="put the peer that this command starts under the scenarios, each as a process; it is "
        "given the flags of this project's peer",
    )  # fmt: skip
    foreign.add_argument(
        "--peer-image", default="", metavar="IMAGE",
        help="put the peer that is this Docker image's entry point under the scenarios",
    )  # fmt: skip
    add_verbosity(
        run, "also say what starts and what it proves, and show tracebacks of failures",
        "only failures and the closing lines",
    )  # fmt: skip
    run.add_argument(
        "--no-color", action="store_false", dest="colour",
        help="no colours on a terminal either; so does the environment variable NO_COLOR",
    )  # fmt: skip

    audit = _add_command(
        commands, "audit", "run the scenarios against broken peers", audit_command.ABOUT,
        audit_command.EXIT_CODES,
    )  # fmt: skip
    audit_command.add_options(audit, default_jobs=2 * default_jobs())

    listing = _add_command(commands, "list", "list scenarios", "List scenarios.")
    add_ids(listing)

    live = _add_command(commands, "live", "a peer at your keyboard", _LIVE_ABOUT)
    live.add_argument("name", metavar="NAME", help="alpha, bravo, charlie, …")
    _add_backend(live)

    _add_command(commands, "image", "build the peer's Docker image", "Build the image if need be.")
    _add_command(
        commands, "clean", "remove what dead runs left",
        "Remove the containers, networks and processes that runs left which did not end "
        "properly. What running ones use stays.",
    )  # fmt: skip
    table = _add_command(
        commands, "matrix", "the matrix of scenarios as Markdown",
        f"Print the matrix of scenarios, or write it into {matrix.PATH.name}.",
    )  # fmt: skip
    table.add_argument("--write", action="store_true", help=f"write {matrix.PATH.name}")
    table.add_argument(
        "--log", metavar="RUN", help="also write a run into the run log there; implies --write"
    )

    looking_back.add_commands(partial(_add_command, commands))
    return parser


def _run(options: argparse.Namespace, families: Iterable[str], root: Path) -> int:
    chosen = select(options.ids, families)
    request = RunRequest(
        jobs=options.jobs,
        keep=options.keep,
        pcap=options.pcap,
        timeout_factor=options.timeout_factor,
        seed=_seed(options),
        repeat=options.repeat or (UNTIL_FAIL_REPEATS if options.until_fail else 1),
        until_fail=options.until_fail,
        random_order=options.random_order,
        verbosity=options.verbosity,
        colour=options.colour,
        peer_command=tuple(options.peer_command),
        peer_image=options.peer_image,
        root=root,
        say_of_image=_say if options.verbosity > 0 else _briefly(),
    )
    _sweep_quietly()
    code = PASSED
    for choice in _choices(_backend_for(options)):
        one = run_scenarios(request, choice, chosen)
        if one == INTERRUPTED:
            return one
        code = max(code, one)
    return code


def _seed(options: argparse.Namespace) -> int:
    if options.seed is not None:
        return int(options.seed)
    return secrets.randbelow(10**6) if options.random_order else DEFAULT_SEED


def _audit(options: argparse.Namespace, families: Iterable[str], root: Path) -> int:
    chosen = select(options.ids, families)
    _sweep_quietly()
    return audit_command.audit(options, chosen, root)


def _backend_for(options: argparse.Namespace) -> BackendName | Literal["all"]:
    """Return the backend that was asked for, or the one that a foreign peer runs on."""
    wanted: BackendName | Literal["all"] = options.backend
    runs_on: BackendName
    if options.peer_command:
        option, runs_on = "--peer-command", "process"
    elif options.peer_image:
        option, runs_on = "--peer-image", "docker"
    else:
        return wanted
    if wanted not in ("auto", runs_on):
        raise UsageError(f"{option} needs --backend {runs_on}, not {wanted}.")
    return runs_on


def _choices(backend: BackendName | Literal["all"]) -> list[Choice]:
    if backend != "all":
        return [choose_backend(backend)]
    try:
        return [choose_backend("process"), choose_backend("docker")]
    except BackendError as error:
        _say(f"The scenarios on docker are left out. {error}")
        return [choose_backend("process")]


def _list(options: argparse.Namespace, families: Iterable[str], _root: Path) -> int:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for found in select(options.ids, families).values():
        info = found.info
        alone = " (measures: runs alone)" if info.measures else ""
        print(
            textwrap.fill(
                f"{info.id:<4} {info.name}: {info.proves}{alone}", width, subsequent_indent=" " * 5
            )
        )
    return PASSED


def _live(options: argparse.Namespace, _families: Iterable[str], _root: Path) -> int:
    from scenarios.live import run_live  # only this command needs rich and readline

    _sweep_quietly()
    return run_live(options.name, choose_backend(options.backend), _say, _briefly())


def _image(_options: argparse.Namespace, _families: Iterable[str], _root: Path) -> int:
    choose_backend("docker")
    print(ready_image(_say))
    return PASSED


def _clean(_options: argparse.Namespace, _families: Iterable[str], _root: Path) -> int:
    removed, problems = remove_left_overs()
    for what in removed:
        print(f"Removed {what}")
    for problem in problems:
        print(f"Not everything was looked at: {problem}")
    if not removed:
        print("Nothing was left over.")
    return PASSED


def _matrix(options: argparse.Namespace, families: Iterable[str], root: Path) -> int:
    infos = [found.info for found in discover(families).values()]
    mutants = mutants_by_scenario()
    if options.write or options.log:
        old = matrix.PATH.read_text(encoding="utf-8") if matrix.PATH.exists() else ""
        text = matrix.with_matrix(old, infos, mutants)
        if options.log:
            text = matrix.with_log(text, log_row(read_results(root / RUNS / options.log)))
        matrix.PATH.write_text(text, encoding="utf-8")
    else:
        print(matrix.matrix_table(infos, mutants))
    return PASSED


COMMANDS = {
    "run": _run,
    "audit": _audit,
    "list": _list,
    "live": _live,
    "image": _image,
    "clean": _clean,
    "matrix": _matrix,
    **looking_back.COMMANDS,
}


def _sweep_quietly() -> None:
    # Without an engine there is nothing to remove there, so that is no problem here.
    removed, _ = remove_left_overs()
    for what in removed:
        _say(f"Left over from a run that died, and removed: {what}")


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    about: str,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_backend(parser: argparse.ArgumentParser, more: str = "", *names: str) -> None:
    parser.add_argument(
        "--backend", choices=["auto", "process", "docker", *names], default="auto",
        help=f"auto (default): docker where an engine answers, else process{more}",
    )  # fmt: skip


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _briefly() -> Callable[[str], None]:
    """Return what says once that an image is built, and then only what may take minutes."""
    said: list[str] = []

    def say(line: str) -> None:
        if not said:
            _say("The peer has changed since its image was built; building it anew ...")
            said.append(line)
        if line.startswith("Pulling"):
            _say(line)

    return say


def _complain(error: Exception, code: int) -> int:
    _say(str(error))
    return code
