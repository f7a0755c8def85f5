"""A browser and a page with the report of a recorded run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chromium import Browser, browser
from scenarios.report.writing import write_report
from tests.scenarios.report.recorded_run import (
    a_run,
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started_browser:
        yield started_browser


@pytest.fixture
def page(opened: Browser, tmp_path: Path) -> Iterator[Browser]:
    opened.open(write_report(a_run(tmp_path)).as_uri())
    opened.drawn()
    yield opened
    assert opened.complaints() == []
