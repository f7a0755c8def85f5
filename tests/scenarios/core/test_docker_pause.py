"""Pausing a container whose processes wait for the disk, without an engine."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from scenarios.core.backends.base import BackendError
from scenarios.core.backends.docker_engine import PAUSES_TRIED, pause

if TYPE_CHECKING:
    from docker import DockerClient

BUSY = "OCI runtime pause failed: unable to freeze: unknown"


def a_client(answers: list[str]) -> "DockerClient":
    """Return an engine that refuses with each of these, and then pauses."""
    errors = pytest.importorskip("docker.errors")

    def answer(_: str) -> None:
        if answers:
            raise errors.APIError(answers.pop(0))

    return cast("DockerClient", SimpleNamespace(api=SimpleNamespace(pause=answer)))


def test_a_container_that_waits_for_the_disk_is_asked_again() -> None:
    answers = [BUSY] * (PAUSES_TRIED - 1)
    pause(a_client(answers), "one")
    assert answers == []


@pytest.mark.parametrize("answers", [["No such container"], [BUSY] * PAUSES_TRIED])
def test_what_does_not_pass_is_told(answers: list[str]) -> None:
    with pytest.raises(BackendError, match=answers[0]):
        pause(a_client(answers), "one")
