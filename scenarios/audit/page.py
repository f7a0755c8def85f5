"""The kill matrix as one page without scripts, for any browser, light or dark."""

from collections.abc import Iterable
from html import escape

from scenarios.audit.kill_matrix import KillMatrix, intended_checks, told
from scenarios.audit.pairs import Judged

_STYLE = """
:root { color-scheme: light dark; --red: #b3261e; --green: #1b6e3c; --soft: #8884; }
@media (prefers-color-scheme: dark) { :root { --red: #ff8a80; --green: #7fd6a0; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem }
table { border-collapse: collapse } .wide { overflow-x: auto }
td, th { border: 1px solid var(--soft); padding: .15rem .4rem; text-align: left;
  vertical-align: top }
.grid td, .grid thead th { text-align: center; font-size: 12px; padding: .1rem }
.grid thead th + th { writing-mode: vertical-rl; font-weight: normal }
.grid tbody th { font-weight: normal; white-space: nowrap; position: sticky; left: 0;
  background: Canvas }
.bad { color: var(--red); font-weight: bold } .good { color: var(--green) } .dim { opacity: .65 }
code { font-size: 13px } ul { padding-left: 1.2rem }
"""
_LEGEND = (
    "✓ killed by its intended checks · ≠ noticed by other checks · ✗ the mutant crashed · "
    "○ survived · - not run here · a dot: noticed, though not intended"
)
_SIGNS = {
    "killed": ("✓", "good"),
    "killed-otherwise": ("≠", "bad"),
    "crashed": ("✗", "bad"),
    "survived": ("○", "bad"),
    "skipped": ("-", "dim"),
}


def page(matrix: KillMatrix, title: str) -> str:
    """Return the page of an audit."""
    killed = sum(one.verdict == "killed" for one in matrix.judged)
    summary = (
        f"{title}: {len(matrix.mutants)} mutants, {killed} of {len(matrix.judged)} expected pairs "
        "killed by the checks meant for them."
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Kill matrix {escape(title)}</title><style>{_STYLE}</style></head><body>",
            "<h1>Kill matrix</h1>",
            f"<p>{escape(summary)}</p>",
            _problems(matrix),
            "<h2>Scenarios and mutants</h2>",
            f"<p>{_LEGEND}</p>",
            _grid(matrix),
            "<h2>Mutants</h2>",
            _mutants(matrix),
            "<h2>Scenarios</h2>",
            _scenarios(matrix),
            "<h2>Always-on checks</h2>",
            _list(
                f"{escape(what)} — {_by(proofs)}" for what, proofs in sorted(matrix.always.items())
            ),
            "</body></html>\n",
        ]
    )


def _problems(matrix: KillMatrix) -> str:
    if matrix.problems:
        return "<h2>What is wrong</h2>" + _list(
            f'<span class="bad">{escape(problem)}</span>' for problem in matrix.problems
        )
    proven = "and every assertion was seen red" if matrix.whole else "of those that were run"
    return f'<p class="good">Every mutant was noticed as it should be, {proven}.</p>'


def _grid(matrix: KillMatrix) -> str:
    ids = [one.id for one in matrix.scenarios]
    cells = {
        (one.outcome.pair.mutant, one.outcome.pair.scenario): _cell(one) for one in matrix.judged
    }
    for one in matrix.others:
        if one.outcome.red:
            pair = one.outcome.pair
            cells[pair.mutant, pair.scenario] = f'<td title="{escape(told(one))}">·</td>'
    head = "".join(f"<th>{one}</th>" for one in ids)
    rows = "".join(
        f"<tr><th>{escape(mutant.name)}</th>"
        + "".join(
            cells.get((mutant.name, one), "<td></td>")
            if one.startswith(mutant.letter)
            else "<td></td>"
            for one in ids
        )
        + "</tr>"
        for mutant in matrix.mutants
    )
    return (
        '<div class="wide" tabindex="0"><table class="grid"><thead><tr><th>mutant</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(judged: Judged) -> str:
    sign, style = _SIGNS[judged.verdict]
    return f'<td class="{style}" title="{escape(told(judged))}">{sign}</td>'


def _mutants(matrix: KillMatrix) -> str:
    rows = []
    for mutant in matrix.mutants:
        meant = intended_checks([mutant])
        mine = [one for one in matrix.judged if one.outcome.pair in meant]
        verdicts = _list(
            f'{one.outcome.pair.scenario}: <span class="{_SIGNS[one.verdict][1]}">{one.verdict}'
            f"</span>: {escape(told(one))}"
            + (f' <span class="dim">and {escape("; ".join(one.also))}</span>' if one.also else "")
            for one in mine
        )
        rows.append(
            f"<tr><td><code>{escape(mutant.name)}</code><br>{escape(mutant.breaks)}</td>"
            f"<td>{verdicts}</td></tr>"
        )
    return f"<table><tr><th>breaks</th><th>noticed by</th></tr>{''.join(rows)}</table>"


def _scenarios(matrix: KillMatrix) -> str:
    parts = []
    for one in matrix.scenarios:
        open_checks = sum(not proofs for proofs in one.checks.values())
        left = f', <span class="bad">{open_checks} not seen red</span>' if open_checks else ""
        checks = _list(f"{escape(what)} — {_by(proofs)}" for what, proofs in one.checks.items())
        waits = _list(
            f"{escape(what)} — {_by(proofs, missing='not ended by any, and need not be')}"
            for what, proofs in one.waits.items()
        )
        parts.append(
            f"<details><summary><b>{one.id}</b> {escape(one.name)}: kills "
            f"{len(one.killed)}, {len(one.checks)} checks{left}</summary>"
            f"<p>Checks, and who turned them red:</p>{checks}<p>Waits:</p>{waits}</details>"
        )
    return "".join(parts)


def _by(proofs: Iterable[str], missing: str = "") -> str:
    names = ", ".join(f"<code>{escape(name)}</code>" for name in proofs)
    if names:
        return names
    if missing:
        return f'<span class="dim">{missing}</span>'
    return '<span class="bad">not seen red</span>'


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
