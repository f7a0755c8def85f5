"""Fixtures of the tests of the content side."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync_cli.folder import Options
from tests.sync_cli.world import World


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds: `worlds("abc")` has three peers."""
    made: list[World] = []

    def make(names: str, options: Options | None = None) -> World:
        made.append(World(tmp_path / str(len(made)), names, options))
        return made[-1]

    yield make
    for world in made:
        world.close()
