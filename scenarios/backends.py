"""The backend of a run as the runner uses it: opened by its settings, its image made ready."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scenarios.core.backends.base import Backend, BackendError
from scenarios.core.backends.docker import DockerBackend
from scenarios.core.backends.docker_engine import engine_errors, open_client
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.sweep import of_dead_runners, sweep
from scenarios.live_network import remove_unused_network
from scenarios.settings import RunSettings


@contextmanager
def open_backend(settings: RunSettings) -> Iterator[Backend]:
    """Give the backend that the run wants, labelled as this process's own, and close it."""
    label = own_label(settings.run_id)
    backend: Backend
    if settings.backend == "docker":
        backend = DockerBackend(label, image=lambda: settings.image)
    else:
        backend = ProcessBackend(label)
    try:
        yield backend
    finally:
        backend.close()


def remove_left_overs() -> tuple[list[str], list[str]]:
    """Remove what dead runs and live sessions left; return what it was and what went wrong."""
    swept = sweep(of_dead_runners)
    removed = [*swept.processes, *swept.containers, *swept.networks]
    if not swept.problems:
        removed += remove_unused_network()
    return removed, list(swept.problems)


def ready_image(on_progress: Callable[[str], None]) -> str:
    """Return the tag of the peer's image, built if need be. Raises BackendError."""
    from scenarios.image import ImageError, ensure_image  # imports the Docker SDK

    client = open_client()
    try:
        with engine_errors("to make the image"):
            return ensure_image(client, on_progress=on_progress)
    except ImageError as error:
        raise BackendError(str(error)) from error
    finally:
        client.close()
