"""The image of a program, for tests."""

from scenarios.core.backends.docker_engine import open_client


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
