"""The peer's image: built when what it is made from has changed, else taken as it is.

`python -m scenarios.image` makes it and prints its name.
"""

import io
import os
import re
import sys
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils.build import exclude_paths
from requests import RequestException

from fixtures.build import exclusive
from scenarios.base_image import BaseImageError, make_base_image

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "peer-cli"

# What a build needs to know of the host it runs on, where it is set there.
_BUILD_ARGS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_CA_BUNDLE = "ca-bundle.crt"
_LAST_LINES = 25
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

Progress = Callable[[str], None]


class ImageError(Exception):
    """The image cannot be made; the text says why and what to do."""


def ensure_image(client: docker.DockerClient, *, on_progress: Progress) -> str:
    """Return the tag of the image of the peer as it is in the working tree, built if need be.

    The tag is `peer-cli:<hash of all that goes into it>`; `peer-cli:latest` names the same image.
    `on_progress` gets each line of a build. Processes that ask at once wait for the one that
    builds. Raises ImageError.
    """
    files = context_files(ROOT)
    tag = f"{REPOSITORY}:{inputs_hash(files)}"
    with exclusive(ROOT / ".cache" / "image-lock"):
        try:
            image = client.images.get(tag)
        except ImageNotFound:
            _ensure_base(client, base_image(files["Dockerfile"].decode()), on_progress)
            _build(client, tag, files, on_progress)
            image = client.images.get(tag)
        image.tag(REPOSITORY, "latest")
    return tag


def context_files(root: Path) -> dict[str, bytes]:
    """Return path to content of every file that .dockerignore lets through, sorted by path."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    paths = sorted(exclude_paths(str(root), patterns, dockerfile="Dockerfile"))
    return {path: (root / path).read_bytes() for path in paths if (root / path).is_file()}


def inputs_hash(files: Mapping[str, bytes]) -> str:
    """Return a short hash that changes with every change of a path or a content."""
    digest = sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def base_image(dockerfile: str) -> str:
    """Return the image of the first FROM, with a tag. Raises ImageError when there is none."""
    found = re.search(r"^FROM\s+(?:--\S+\s+)*(\S+)", dockerfile, re.MULTILINE | re.IGNORECASE)
    if found is None:
        raise ImageError("The Dockerfile has no FROM line; add one that names the base image.")
    name = found[1]
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def context_tar(files: Mapping[str, bytes]) -> bytes:
    """Return the build context; the same files give the same bytes, so that layers are reused."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def build_args(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of the host's settings a build is told."""
    return {name: environment[name] for name in _BUILD_ARGS if environment.get(name)}


def ca_bundle(environment: Mapping[str, str]) -> bytes | None:
    """Return the host's own certificates, where pip or OpenSSL is told of some."""
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        path = Path(environment.get(name) or os.devnull)
        if path.is_file():
            return path.read_bytes()
    return None


def _ensure_base(client: docker.DockerClient, name: str, on_progress: Progress) -> None:
    try:
        client.images.get(name)
        return
    except ImageNotFound:
        on_progress(f"Pulling {name}")
    try:
        client.images.pull(name)
    except (APIError, RequestException) as pull_failure:
        on_progress(f"Pulling failed ({pull_failure}); making {name} from Debian's packages")
        try:
            make_base_image(client, name, on_progress=on_progress)
        except BaseImageError as failure:
            raise ImageError(
                f"The base image {name} can neither be pulled ({pull_failure}) nor made here: "
                f"{failure}"
            ) from failure


def _build(
    client: docker.DockerClient, tag: str, files: Mapping[str, bytes], on_progress: Progress
) -> None:
    bundle = ca_bundle(os.environ)
    # The host's certificates change nothing in the finished image, so they are not in its hash.
    sent = {**files, _CA_BUNDLE: bundle} if bundle else files
    output = client.api.build(
        fileobj=io.BytesIO(context_tar(sent)),
        custom_context=True,
        tag=tag,
        buildargs=build_args(os.environ),
        rm=True,
        forcerm=True,
        decode=True,
    )
    follow_build(output, on_progress)


def follow_build(output: Iterable[Mapping[str, object]], on_progress: Progress) -> None:
    """Pass on a build's output line by line. Raises ImageError with its end when it failed."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    for message in output:
        for line in _COLOURS.sub("", str(message.get("stream", ""))).splitlines():
            if line.strip():
                last.append(line)
                on_progress(line)
        if "error" in message:
            end = "\n".join(f"  {line}" for line in last)
            raise ImageError(
                f"Building the image failed: {message['error']}\nIts last lines were:\n{end}"
            )


def main() -> int:
    """Make the image and print its tag; return the exit code."""
    try:
        client = docker.from_env()
    except DockerException as failure:
        print(f"No Docker engine answers ({failure}); start one, then try again.", file=sys.stderr)
        return 1
    try:
        tag = ensure_image(client, on_progress=lambda line: print(line, file=sys.stderr))
    except ImageError as failure:
        print(failure, file=sys.stderr)
        return 1
    print(tag)
    return 0


if __name__ == "__main__":
    sys.exit(main())
