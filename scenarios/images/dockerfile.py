"""What a target of a Dockerfile is built from: its stages, and the files that they copy."""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DOCKERFILE = "Dockerfile"


class UnknownTargetError(Exception):
    """The Dockerfile has no such stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage, without its comments."""

    name: str
    instructions: tuple[str, ...]

    @property
    def needs(self) -> set[str]:
        """The stages and images that it starts from or copies from."""
        copies = (re.match(r"COPY\s+--from=(\S+)", one) for one in self.instructions)
        return {self.instructions[0].split()[1], *(found[1] for found in copies if found)}

    @property
    def sources(self) -> set[str]:
        """The paths and patterns in the build context that it copies."""
        return {
            source
            for one in self.instructions
            if re.match(r"COPY\s+(?!--from=)", one)
            for source in one.split()[1:-1]
        }


def inputs(files: Mapping[str, bytes], target: str) -> dict[str, bytes]:
    """Return the part of a build context from which a target is built.

    Its Dockerfile has only the stages that the target needs, so that a change of any other stage,
    or of a file that only others copy, is no change of the target. Raises UnknownTargetError.
    """
    before, stages = parsed(files[DOCKERFILE].decode())
    if target not in stages:
        raise UnknownTargetError(f"The Dockerfile has no target {target!r}.")
    needed, met = set[str](), {target}
    while met:
        name = met.pop()
        needed.add(name)
        met |= (stages[name].needs & stages.keys()) - needed
    kept = [stage for name, stage in stages.items() if name in needed]
    text = "\n".join([*before, *(line for stage in kept for line in stage.instructions)]) + "\n"
    sources = {source for stage in kept for source in stage.sources}
    copied = {
        path: content
        for path, content in files.items()
        if any(path.startswith(f"{one}/") or fnmatch.fnmatch(path, one) for one in sources)
    }
    return {DOCKERFILE: text.encode(), **copied}


def parsed(dockerfile: str) -> tuple[list[str], dict[str, Stage]]:
    """Return the instructions before the first stage, and the stages by name, in their order."""
    before: list[str] = []
    stages: dict[str, list[str]] = {}
    current = before
    for instruction in _instructions(dockerfile):
        if found := re.fullmatch(r"FROM\s+\S+\s+AS\s+(\S+)", instruction):
            current = stages.setdefault(found[1], [])
        current.append(instruction)
    return before, {name: Stage(name, tuple(lines)) for name, lines in stages.items()}


def _instructions(dockerfile: str) -> Iterator[str]:
    """Yield each instruction, its continuation lines joined."""
    parts: list[str] = []
    for line in dockerfile.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts.append(line.strip().removesuffix("\\").rstrip())
        if not line.rstrip().endswith("\\"):
            yield " ".join(parts)
            parts = []
