"""PEER_CLI_SCENARIOS.md: the matrix, written from the scenarios' own data."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from scenarios.core.scenario import ScenarioInfo

PATH = Path(__file__).resolve().parent.parent / "PEER_CLI_SCENARIOS.md"
BEGIN = "<!-- matrix: written by `just peer-cli-matrix`, do not edit between these two lines -->"
END = "<!-- end of matrix -->"
LOG_BEGIN = (
    "<!-- log: written by `just peer-cli-matrix --log RUN` from results.json, the newest first -->"
)
LOG_END = "<!-- end of log -->"
_LOG_HEAD = ["| When | Backend | Outcome | Took | On | Run |", "|---|---|---|---|---|---|"]

_FRAME = f"""\
# The scenarios

Each row is a pytest function in `scenarios/` marked with `@scenario`, which carries the ID, the
name and what it proves. Run one with `./justw peer-cli-tests S7`. The last column names the
mutants (peers with one behaviour broken, `scenarios/mutants/`) that it is proven by: run these with
`./justw peer-cli-audit S7`.

{BEGIN}
{END}

## Run log

{LOG_BEGIN}
{LOG_END}
"""


def matrix_table(infos: Iterable[ScenarioInfo], mutants: Mapping[str, Iterable[str]]) -> str:
    """Return the Markdown table, one row per scenario, without a trailing newline.

    ``mutants`` are those that each scenario is meant to notice, by its ID.
    """
    rows = ["| ID | Name | Proves | Mutants |", "|---|---|---|---|"]
    for info in infos:
        alone = " *(measures: runs alone)*" if info.measures else ""
        names = ", ".join(sorted(mutants.get(info.id, ())))
        cells = (info.id, _cell(info.name), _cell(info.proves) + alone, names)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_matrix(
    document: str, infos: Iterable[ScenarioInfo], mutants: Mapping[str, Iterable[str]]
) -> str:
    """Return the document with the table between its two marks replaced.

    A document without the marks is replaced as a whole.
    """
    if BEGIN not in document or END not in document:
        document = _FRAME
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{matrix_table(infos, mutants)}\n{END}{after}"


def with_log(document: str, row: str) -> str:
    """Return the document with a run's row in the run log; told again, it replaces itself.

    Raises ValueError for a document without the log's two marks.
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
