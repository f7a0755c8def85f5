"""Chooses the backend of a run."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from scenarios.core.backends.base import BackendError
from scenarios.core.backends.docker_engine import engine_version

BackendName: TypeAlias = Literal["auto", "process", "docker"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend of a run; ``reason`` is a sentence for the user."""

    name: Literal["process", "docker"]
    reason: str


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
