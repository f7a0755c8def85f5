"""The command `audit`: its help, its options, and how it is carried out."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from scenarios.discovery import Found
from scenarios.options import add_ids, add_pace, add_verbosity

ABOUT = """\
Prove the scenarios: run them against mutants, peers with exactly one behaviour broken. Each mutant
names the scenarios and the checks that are meant to notice it (scenarios/mutants/), and only these
pairs are run, all of them or those of the scenarios and mutants named. Every node is a process.

The run's folder, to which runs/latest-audit points, gets kill-matrix.json and kill-matrix.html: who
was killed by which check, who survived, and which checks nobody has seen red."""

EXIT_CODES = """\
exit codes:
  0    every mutant was killed by the checks meant for it (and, where nothing was left out, every
       check was seen red)
  1    a mutant survived, crashed or was noticed otherwise, a scenario kills nothing, or a check
       is unproven
  2    usage: an unknown ID or mutant, a mutant whose edit does not apply any more
  130  Ctrl-C; everything was cleaned up
"""


def add_options(audit: argparse.ArgumentParser, default_jobs: int) -> None:
    """Add what may stand behind `audit`."""
    add_ids(audit)
    audit.add_argument(
        "--mutant", action="append", default=[], metavar="NAME", help="this one; may be repeated"
    )
    audit.add_argument(
        "--full", action="store_true",
        help="every mutant under every scenario, not only where it is meant to be noticed",
    )  # fmt: skip
    add_pace(audit, "pairs at once; many only wait", default_jobs)
    audit.add_argument(
        "--keep", action="store_true", help="keep the mutants, and the nodes' games and state"
    )
    add_verbosity(
        audit, "every check that turned red, with what was found",
        "only what is wrong and the closing lines",
    )  # fmt: skip


def audit(options: argparse.Namespace, chosen: Mapping[str, Found], root: Path) -> int:
    """Carry the command out on the scenarios that were named; return the exit code.

    Raises MutantError.
    """
    from scenarios.audit.run import AuditRequest, run_audit, select  # only this command needs it

    mutants, scenarios = select(options.mutant, chosen, full=options.full)
    request = AuditRequest(
        jobs=options.jobs,
        all_scenarios=not options.ids,
        all_mutants=not options.mutant,
        full=options.full,
        keep=options.keep,
        timeout_factor=options.timeout_factor,
        verbosity=options.verbosity,
        root=root,
    )
    return run_audit(request, mutants, scenarios)
