"""Which backend a run gets: docker only where the nodes' images can be had."""

from collections.abc import Callable, Iterable

import pytest

from scenarios.core.backends.base import BackendError
from scenarios.family.family import Family
from scenarios.running import backends
from scenarios.running.backends import Choice, NoBaseError, choose_backend, choose_ready_backend


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "choose_backend", lambda _: Choice("docker", "It answers."))


def images_fail(monkeypatch: pytest.MonkeyPatch, error: BackendError) -> None:
    def ready_images(_families: Iterable[Family], _say: Callable[[str], None]) -> dict[str, str]:
        raise error

    monkeypatch.setattr(backends, "ready_images", ready_images)


def test_without_a_base_image_auto_means_processes_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images_fail(monkeypatch, NoBaseError("no base image; make one"))
    choice = choose_ready_backend("auto", [], print)
    assert choice.name == "process"
    assert "no base image; make one" in choice.reason


def test_any_other_failure_of_a_build_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    images_fail(monkeypatch, BackendError("the build failed"))
    with pytest.raises(BackendError, match="the build failed"):
        choose_ready_backend("auto", [], print)


def test_who_asks_for_docker_gets_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    images_fail(monkeypatch, NoBaseError("no base image"))
    assert choose_ready_backend("docker", [], print).name == "docker"


class TestChoice:
    @pytest.fixture(autouse=True)
    def no_engine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    def test_without_an_engine_auto_means_processes_and_says_why(self) -> None:
        choice = choose_backend("auto")
        assert choice.name == "process"
        assert "since no container can be: Docker failed to answer" in choice.reason

    def test_without_an_engine_docker_is_an_error(self) -> None:
        with pytest.raises(BackendError, match="is an engine running"):
            choose_backend("docker")

    def test_processes_need_no_engine(self) -> None:
        assert choose_backend("process").name == "process"
