"""PEER_CLI_SCENARIOS.md: the matrix, generated from the scenarios' own data."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import ScenarioInfo
from scenarios.family.discovery import Found
from scenarios.root import ROOT

PATH = ROOT / "PEER_CLI_SCENARIOS.md"
BEGIN = "<!-- matrix: written by `just peer-cli-matrix`, do not edit between these two lines -->"
END = "<!-- end of matrix -->"
LOG_BEGIN = (
    "<!-- log: written by `just peer-cli-matrix --log RUN` from results.json, the newest first -->"
)
LOG_END = "<!-- end of log -->"
_LOG_HEAD = ["| When | Backend | Outcome | Took | On | Run |", "|---|---|---|---|---|---|"]

# Why one of the backends always skips a scenario that needs this.
SKIPPED: Mapping[Capability, str] = {
    Capability.DISCONNECT: "containers only: a process cannot be cut off the loopback",
    Capability.IPV6_LOOPBACK: "processes only: containers do not share a ::1",
}

_FRAME = f"""\
# The scenarios

Each row is a pytest function in `scenarios/` with the decorator `@scenario`, which gives its ID,
its name and what it proves. Run one with `./justw peer-cli-tests S7`. The last column lists the
mutants (nodes with one behaviour broken, in `mutants/` of its family) that prove it: run these with
`./justw peer-cli-audit S7`.

{BEGIN}
{END}

## Run log

{LOG_BEGIN}
{LOG_END}
"""


def sections(scenarios: Iterable[Found], mutants: Mapping[str, Iterable[str]]) -> str:
    """Return a section per family: heading and table, without a trailing newline."""
    by_family = groupby(scenarios, key=lambda found: found.family)
    return "\n\n".join(
        f"### {family.title} (`{family.name}`)\n\n"
        + matrix_table([found.info for found in of_family], mutants)
        for family, of_family in by_family
    )


def matrix_table(infos: Iterable[ScenarioInfo], mutants: Mapping[str, Iterable[str]]) -> str:
    """Return the Markdown table, one row per scenario, without a trailing newline.

    ``mutants`` are those that each scenario must notice, by its ID.
    """
    rows = ["| ID | Name | Proves | Mutants |", "|---|---|---|---|"]
    for info in infos:
        notes = [SKIPPED[one] for one in sorted(info.needs) if one in SKIPPED]
        notes += ["measures: runs alone"] if info.measures else []
        said = "".join(f" *({note})*" for note in notes)
        names = ", ".join(sorted(mutants.get(info.id, ())))
        cells = (info.id, _cell(info.name), _cell(info.proves) + said, names)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_matrix(
    document: str, scenarios: Iterable[Found], mutants: Mapping[str, Iterable[str]]
) -> str:
    """Return the document with the text between its two markers replaced.

    A document without the markers is replaced completely.
    """
    if BEGIN not in document or END not in document:
        document = _FRAME
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{sections(scenarios, mutants)}\n\n{END}{after}"


def with_log(document: str, row: str) -> str:
    """Return the document with a run's row in the run log; replaces an existing row of the run.

    Raises ValueError if the document lacks the log's two markers.
    """
    if LOG_BEGIN not in document or LOG_END not in document:
        raise ValueError(f"{PATH.name} has no run log: the lines {LOG_BEGIN} and {LOG_END}.")
    before, _, rest = document.partition(LOG_BEGIN)
    log, _, after = rest.partition(LOG_END)
    old = [line for line in log.splitlines() if line.startswith("| ") and line not in _LOG_HEAD]
    rows = sorted({_run_of(line): line for line in [*old, row]}.values(), reverse=True)
    return f"{before}{LOG_BEGIN}\n" + "\n".join([*_LOG_HEAD, *rows]) + f"\n{LOG_END}{after}"


def _run_of(row: str) -> str:
    return row.rstrip(" |").rpartition("| ")[2]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
