"""The image of a program, for tests, and whether there is an engine for it."""

import pytest

from scenarios.core.backends.base import BackendError
from scenarios.core.backends.docker_engine import engine_version, open_client


def needs_engine() -> None:
    """Skip the test, or the module that is being imported, if no Docker engine answers."""
    try:
        engine_version()
    except BackendError as no_engine:
        pytest.skip(str(no_engine), allow_module_level=True)


def image_of(target: str) -> str:
    """Return the name of the image of a Dockerfile's target; builds it first if needed.

    Raises ImageError.
    """
    from scenarios.images.build import ensure_image

    client = open_client()
    try:
        return ensure_image(client, target, on_progress=print)
    finally:
        client.close()
