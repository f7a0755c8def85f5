"""A family of nodes: a value with all that the runner knows of them, and what it runs of it."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.core.backends.base import Argument, Program
from scenarios.core.words import Words
from scenarios.family.live import LiveNode
from scenarios.family.story import Story
from scenarios.root import ROOT


@dataclass(frozen=True, slots=True)
class FamilyProgram:
    """A program whose runs are nodes of a family.

    As a process it is `python -m MODULE`; in a container, the entry point of the image from the
    Dockerfile's target ``target``, unless ``entrypoint`` replaces it.
    """

    name: str
    module: str
    packages: tuple[Path, ...]  # its folders, the main one first
    target: str
    entrypoint: tuple[Argument, ...] | None = None

    def command(self, packages_in: Path | None = None) -> tuple[str, ...]:
        """Return its command as a process, with its packages, or with copies below ``root``."""
        root = packages_in or self.packages[0].parent
        # PYTHONPATH precedes installed packages.
        where = () if root == ROOT else ("env", f"PYTHONPATH={root}")
        return (*where, sys.executable, "-P", "-m", self.module)

    def program(self, packages_in: Path | None = None) -> Program:
        """Return how to start its nodes."""
        return Program(self.command(packages_in), self.entrypoint, self.target)


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity
class Family:
    """A family of nodes.

    Its scenarios are in the `test_*.py` below ``package``, its mutants in `mutants` there.
    """

    letter: str  # of its scenarios' IDs: "S" in S7
    name: str  # one word, as on the command line
    title: str
    package: str
    programs: tuple[FamilyProgram, ...] = ()
    images: tuple[str, ...] = ()  # further targets of the Dockerfile that its nodes run in
    words: Words = field(default_factory=Words)
    # For comparisons: fields that differ in every run, and events whose number depends on time.
    varying: frozenset[str] = frozenset()
    paced: frozenset[str] = frozenset()
    story: Story = field(default_factory=Story)
    live: Mapping[str, LiveNode] = field(default_factory=dict)  # by kind of node

    @property
    def targets(self) -> frozenset[str]:
        """The targets of the Dockerfile that its nodes run in."""
        return frozenset((*self.images, *(program.target for program in self.programs)))

    @property
    def mutants(self) -> str:
        """The package of its mutants."""
        return f"{self.package}.mutants"

    def program(self, name: str = "") -> FamilyProgram:
        """Return one of its programs (default: the first). Raises KeyError."""
        if not name:
            return self.programs[0]
        return {program.name: program for program in self.programs}[name]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A program from outside this project: its command as a process, or its image."""

    command: tuple[str, ...] = ()
    image: str = ""  # with a tag; its own entry point runs


@dataclass(frozen=True, slots=True)
class UnderTest:
    """How to start each of a family's programs, by name; ``foreign`` are not our own."""

    programs: Mapping[str, Program]
    foreign: frozenset[str] = frozenset()


def as_options(foreign: Mapping[str, Foreign]) -> str:
    """Return the options that select foreign programs, quoted for a shell; empty for none."""
    return " ".join(
        f"--program {shlex.quote(f'{key}={shlex.join(one.command)}')}"
        if one.command
        else f"--image {shlex.quote(f'{key}={one.image}')}"
        for key, one in foreign.items()
    )


def under_test(
    family: Family, foreign: Mapping[str, Foreign], mutated: Mapping[str, tuple[str, ...]]
) -> UnderTest:
    """Return how to start a family's programs.

    ``foreign`` is by family and program, such as "lan.peer"; ``mutated`` are commands of mutants,
    by program.
    """
    programs = {}
    strange = set()
    for one in family.programs:
        own = one.program()
        if stranger := foreign.get(f"{family.name}.{one.name}"):
            strange.add(one.name)
            own = (
                Program(stranger.command, own.entrypoint, own.image)
                if stranger.command
                else Program(own.command, image=stranger.image)
            )
        programs[one.name] = (
            Program(mutated[one.name], own.entrypoint, own.image) if one.name in mutated else own
        )
    return UnderTest(programs, frozenset(strange))
