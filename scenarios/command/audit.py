"""`audit`: run the scenarios against broken programs."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser, add_ids, add_pace, add_verbosity, default_jobs
from scenarios.command.saying import sweep_quietly
from scenarios.family import discovery
from scenarios.family.family import Family

_ABOUT = """\
Prove the scenarios: run them against mutants, programs with exactly one behaviour broken. Each
mutant names the scenarios and the checks that must notice it (`mutants/` of its family), and only
these pairs run: all of them, or those of the given scenarios and mutants. Every node is a process.

The run's folder, to which runs/latest-audit points, gets kill-matrix.json and kill-matrix.html:
which check killed which mutant, which mutants survived, and which checks never turned red."""

_EXIT_CODES = """\
exit codes:
  0    every mutant was killed by its intended checks (and, in a full audit, every check turned
       red)
  1    a mutant survived, crashed or was noticed otherwise, a scenario kills nothing, or a check
       is unproven
  2    usage: an unknown ID or mutant, nothing to prove, a mutant whose edit no longer applies
  130  Ctrl-C; everything was cleaned up
"""


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    audit = add("audit", "run the scenarios against broken programs", _ABOUT, _EXIT_CODES)
    add_ids(audit)
    audit.add_argument(
        "--mutant",
        action="append",
        default=[],
        metavar="NAME",
        help="only this mutant; may be repeated",
    )
    audit.add_argument(
        "--full", action="store_true",
        help="every mutant under every scenario, not only the intended pairs",
    )  # fmt: skip
    add_pace(audit, "pairs at once; many only wait", 2 * default_jobs(2))
    audit.add_argument(
        "--keep", action="store_true", help="keep the mutants, and the nodes' data and state"
    )
    add_verbosity(
        audit, "every check that turned red, with what was found",
        "only what is wrong and the closing lines",
    )  # fmt: skip


def carry_out(options: argparse.Namespace, families: Iterable[Family], root: Path) -> int:
    """Run the selected scenarios against their mutants; return the exit code.

    Raises MutantError.
    """
    from scenarios.audit.run import AuditRequest, run_audit, select  # only this command needs it

    chosen = discovery.select(options.ids, families)
    sweep_quietly()
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
