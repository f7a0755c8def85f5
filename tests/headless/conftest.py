from collections.abc import Iterator

import pytest

from tests.headless.pipe import Pipe


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()
