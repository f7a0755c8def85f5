"""The backend of a run: chosen, with its images built, and opened by the settings."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scenarios.core.backends.base import Backend, BackendError
from scenarios.core.backends.docker import DockerBackend
from scenarios.core.backends.docker_engine import engine_errors, engine_version, open_client
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.backends.shared_network import remove_unused_network
from scenarios.core.label import own_label
from scenarios.core.sweep import of_dead_runners, sweep
from scenarios.family.family import Family
from scenarios.running.settings import RunSettings

BackendName: TypeAlias = Literal["auto", "process", "docker"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend of a run; ``reason`` is a sentence for the user."""

    name: Literal["process", "docker"]
    reason: str


@contextmanager
def open_backend(settings: RunSettings) -> Iterator[Backend]:
    """Provide the run's backend, labelled as this process's own, and close it."""
    label = own_label(settings.run_id)
    backend: Backend
    if settings.backend == "docker":
        backend = DockerBackend(label, settings.images)
    else:
        backend = ProcessBackend(label)
    try:
        yield backend
    finally:
        backend.close()


def remove_left_overs() -> tuple[list[str], list[str]]:
    """Remove leftovers of dead runs and live nodes; return what was removed and problems."""
    swept = sweep(of_dead_runners)
    removed = [*swept.processes, *swept.containers, *swept.networks]
    if not swept.problems:
        removed += remove_unused_network()
    return removed, list(swept.problems)


class NoBaseError(BackendError):
    """An engine answers, but has no base image for the nodes' images."""


def choose_backend(wanted: BackendName) -> Choice:
    """Return the backend to use. Raises BackendError if Docker is required and does not answer."""
    if wanted == "process":
        return Choice("process", "Every node is a process of its own, as asked for.")
    try:
        version = engine_version()
    except BackendError as error:
        if wanted == "docker":
            raise
        return Choice(
            "process", f"Every node is a process of its own, since no container can be: {error}"
        )
    return Choice("docker", f"Every node is a container: Docker engine {version} answers.")


def choose_ready_backend(
    wanted: BackendName, families: Iterable[Family], on_progress: Callable[[str], None]
) -> Choice:
    """Choose a backend; "auto" is docker only if the images can be built too.

    Raises BackendError.
    """
    choice = choose_backend(wanted)
    if wanted != "auto" or choice.name != "docker":
        return choice
    try:
        ready_images(families, on_progress)
    except NoBaseError as error:
        return Choice(
            "process", f"Every node is a process of its own. Docker answers, but: {error}"
        )
    return choice


def ready_images(
    families: Iterable[Family], on_progress: Callable[[str], None], *, make_base: bool = False
) -> dict[str, str]:
    """Return the tags of the families' images by target, built if needed.

    Raises NoBaseError, and BackendError for anything else that stands in the way.
    """
    # Imports the Docker SDK.
    from scenarios.images.build import ImageError, NoBaseImageError, ensure_image

    targets = sorted({target for family in families for target in family.targets})
    client = open_client()
    try:
        with engine_errors("to make an image"):
            return {
                target: ensure_image(client, target, on_progress=on_progress, make_base=make_base)
                for target in targets
            }
    except NoBaseImageError as error:
        raise NoBaseError(str(error)) from error
    except ImageError as error:
        raise BackendError(str(error)) from error
    finally:
        client.close()
