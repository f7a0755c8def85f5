"""Mutants: what they are, how to find them, and how to make them runnable."""

import compileall
import importlib
import importlib.util
import pkgutil
import py_compile
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scenarios.family.discovery import family_of
from scenarios.family.family import Family, FamilyProgram


class MutantError(Exception):
    """A mutant is invalid; the message says what to correct."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of text in one file of a program; ``old`` must occur exactly once."""

    file: str  # relative to the package
    old: str
    new: str
    package: str = ""  # one of the program's packages; empty: the main one


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with exactly one behaviour broken."""

    name: str  # kebab-case, unique in its family
    breaks: str  # one sentence that says what it does wrong
    edits: tuple[Edit, ...]
    # The checks that must turn red, as their `what`, by scenario ID; all of one family.
    noticed_by: Mapping[str, tuple[str, ...]]
    hurry: float = 1.0  # factor for the timeouts of the checks that must turn red
    program: str = ""  # the name of one of the family's; empty: the first
    alone: bool = False  # must run alone, since it damages what all scenarios share

    @property
    def letter(self) -> str:
        """The letter of its family; another family may have a mutant of the same name."""
        return next(iter(self.noticed_by), "")[:1]


def mutants_of(family: Family) -> dict[str, Mutant]:
    """Return a family's mutants by name. Raises MutantError if two have the same name."""
    seen: dict[str, tuple[str, Mutant]] = {}
    for module in _themes(family):
        mutants: tuple[Mutant, ...] = importlib.import_module(module).MUTANTS
        for mutant in mutants:
            if mutant.name in seen:
                raise MutantError(
                    f"Two mutants are called {mutant.name}, in {seen[mutant.name][0]} and "
                    f"{module}. Rename one."
                )
            seen[mutant.name] = module, mutant
    return {name: mutant for name, (_, mutant) in seen.items()}


def mutants_by_scenario(families: Iterable[Family]) -> dict[str, list[str]]:
    """Return the names of the mutants that each scenario must notice, by its ID."""
    found: dict[str, list[str]] = {}
    for family in families:
        for mutant in mutants_of(family).values():
            for scenario in mutant.noticed_by:
                found.setdefault(scenario, []).append(mutant.name)
    return found


def program_of(mutant: Mutant) -> FamilyProgram:
    """Return the program that a mutant modifies. Raises MutantError."""
    family = family_of(next(iter(mutant.noticed_by), ""))
    try:
        return family.program(mutant.program)
    except (KeyError, IndexError):
        raise MutantError(
            f"{mutant.name} is a mutant of the program {mutant.program!r}, which its family "
            f"{family.name!r} does not have."
        ) from None


def mutated(mutant: Mutant, packages: Sequence[Path]) -> dict[str, str]:
    """Return the new text of the files that a mutant changes, by package and path.

    ``packages`` are the folders of its program. Raises MutantError if an edit does not apply
    exactly once.
    """
    folders = {package.name: package for package in packages}
    changed: dict[str, str] = {}
    for edit in mutant.edits:
        package = edit.package or packages[0].name
        path = f"{package}/{edit.file}"
        file = folders[package] / edit.file if package in folders else None
        if file is None or not file.is_file():
            raise MutantError(f"{mutant.name} edits {path}, which is not there.")
        text = changed.get(path) or file.read_text(encoding="utf-8")
        count = text.count(edit.old)
        if count != 1:
            raise MutantError(
                f"{mutant.name} edits text of {path} that occurs {count} times there, not once; "
                f"the program has changed, so write the edit anew:\n{edit.old}"
            )
        changed[path] = text.replace(edit.old, edit.new)
    return changed


def make_programs(mutants: Iterable[Mutant], packages: Sequence[Path], folder: Path) -> None:
    """Write each mutant's packages into ``folder/<name>``, compiled. Raises MutantError.

    All are of one program, which consists of ``packages``.
    """
    base = folder / ".base"
    for package in packages:
        shutil.copytree(package, base / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(base, quiet=2)
    for mutant in mutants:
        # Copied with modification times, so that compiled files stay valid except for edited ones.
        copy = Path(shutil.copytree(base, folder / mutant.name))
        for path, text in mutated(mutant, packages).items():
            (copy / path).write_text(text, encoding="utf-8")
            try:
                py_compile.compile(str(copy / path), doraise=True)
            except py_compile.PyCompileError as error:
                raise MutantError(f"{mutant.name} does not compile: {error.msg}") from error
    shutil.rmtree(base)


def _themes(family: Family) -> list[str]:
    """Return the modules of a family's mutants; empty if it has no such package."""
    if importlib.util.find_spec(family.mutants) is None:
        return []
    folder = importlib.import_module(family.mutants).__path__
    return sorted(f"{family.mutants}.{module.name}" for module in pkgutil.iter_modules(folder))
