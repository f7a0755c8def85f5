"""What a mutant is, which there are, and how one becomes a peer that can be started."""

import compileall
import importlib
import pkgutil
import py_compile
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "peer_cli"
MUTANTS = "scenarios.mutants"


class MutantError(Exception):
    """A mutant cannot be what it says; the message tells what to correct."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Text of one file of the peer and what takes its place; it must occur exactly once."""

    file: str  # below peer_cli/
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """The real peer with exactly one behaviour broken."""

    name: str  # kebab-case
    breaks: str  # one sentence: what it does wrong
    edits: tuple[Edit, ...]
    # By scenario ID, the checks that are meant to turn red there, each as its `what`.
    noticed_by: Mapping[str, tuple[str, ...]]
    hurry: float = 1.0  # factor on all deadlines, for checks that turn red when one has passed
    alone: bool = False  # nothing else may run meanwhile: it spoils what all scenarios share


def every_mutant(package: str = MUTANTS) -> dict[str, tuple[Mutant, ...]]:
    """Return the mutants by theme: the name of a module and what its MUTANTS holds.

    Raises MutantError when two of them have one name.
    """
    folder = importlib.import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    themes = {name: _mutants_of(f"{package}.{name}") for name in names}
    seen: dict[str, str] = {}
    for theme, mutants in themes.items():
        for mutant in mutants:
            if mutant.name in seen:
                raise MutantError(
                    f"Two mutants are called {mutant.name}, in {seen[mutant.name]}.py and "
                    f"{theme}.py. Rename one."
                )
            seen[mutant.name] = theme
    return themes


def mutants_by_name() -> dict[str, Mutant]:
    """Return every mutant by its name. Raises MutantError as every_mutant does."""
    return {mutant.name: mutant for theme in every_mutant().values() for mutant in theme}


def mutants_by_scenario() -> dict[str, list[str]]:
    """Return, by scenario ID, the names of the mutants that it is meant to notice."""
    found: dict[str, list[str]] = {}
    for mutant in mutants_by_name().values():
        for scenario in mutant.noticed_by:
            found.setdefault(scenario, []).append(mutant.name)
    return found


def mutated(mutant: Mutant, peer: Path) -> dict[str, str]:
    """Return the files that a mutant changes in the package ``peer``, by path, with their new text.

    Raises MutantError for an edit that does not apply exactly once.
    """
    changed: dict[str, str] = {}
    for edit in mutant.edits:
        file = peer / edit.file
        if edit.file not in changed and not file.is_file():
            raise MutantError(f"{mutant.name} edits {PACKAGE}/{edit.file}, which is not there.")
        text = changed.get(edit.file) or file.read_text(encoding="utf-8")
        count = text.count(edit.old)
        if count != 1:
            raise MutantError(
                f"{mutant.name} edits text of {PACKAGE}/{edit.file} that occurs {count} times "
                f"there, not once; the peer has changed, so write the edit anew:\n{edit.old}"
            )
        changed[edit.file] = text.replace(edit.old, edit.new)
    return changed


def make_peers(mutants: Iterable[Mutant], peer: Path, folder: Path) -> None:
    """Write each mutant's peer as ``folder/<name>/peer_cli``, compiled. Raises MutantError."""
    base = folder / ".base"
    shutil.copytree(peer, base, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(base, quiet=2)
    for mutant in mutants:
        # Copied with its times, so that what was compiled once stays good for all files but those
        # that are edited.
        copy = Path(shutil.copytree(base, folder / mutant.name / PACKAGE))
        for path, text in mutated(mutant, peer).items():
            (copy / path).write_text(text, encoding="utf-8")
            try:
                py_compile.compile(str(copy / path), doraise=True)
            except py_compile.PyCompileError as error:
                raise MutantError(f"{mutant.name} does not compile: {error.msg}") from error
    shutil.rmtree(base)


def _mutants_of(module: str) -> tuple[Mutant, ...]:
    mutants: tuple[Mutant, ...] = importlib.import_module(module).MUTANTS
    return mutants
