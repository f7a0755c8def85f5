"""The programs under test: a family's own, foreign ones, or mutants."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.core.backends.base import Program
from scenarios.family.family import Family


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
