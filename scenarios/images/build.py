"""Builds a program's image if its inputs have changed, or reuses it."""

import io
import os
import re
import tarfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound
from docker.utils.build import exclude_paths
from requests import RequestException

from scenarios.core.locks import exclusive
from scenarios.images.base import BaseImageError, made_name, make_base_image
from scenarios.images.dockerfile import UnknownTargetError, inputs
from scenarios.root import ROOT

REPOSITORY = "peer-cli"
MAKE_BASE_VARIABLE = "PEER_SCENARIOS_MAKE_BASE"
KEPT_IMAGES = 8  # per target
_MADE_HERE = re.compile(rf"{REPOSITORY}:(?:(?P<target>.+)-)?[0-9a-f]{{12}}")

# Settings of the host that a build needs, if they are set.
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

OnProgress = Callable[[str], None]


class ImageError(Exception):
    """The image cannot be built; the text says why and what to do."""


class NoBaseImageError(ImageError):
    """The base image cannot be pulled, and nobody has allowed to make one here."""


def may_make_base(environment: Mapping[str, str]) -> bool:
    """Whether to make a base image that cannot be pulled, without an explicit request.

    That may install debootstrap on this machine, as root, which is fine on a CI machine.
    """
    return environment.get("CI") == "true" or environment.get(MAKE_BASE_VARIABLE) == "1"


def ensure_image(
    client: docker.DockerClient, target: str, *, on_progress: OnProgress, make_base: bool = False
) -> str:
    """Return the tag of a program's image for the working tree, built if needed.

    ``target`` is one of the Dockerfile's. The tag is `peer-cli:<target>-<hash of its inputs>`, so
    that an image is only built anew if something has changed that its own stages use;
    `peer-cli:<target>` names the same image. `on_progress` gets each line of a build. Concurrent
    callers wait for the one that builds. Images of older trees are removed, except the newest. A
    base image that cannot be pulled is made only with ``make_base``, or if `may_make_base`. Raises
    ImageError.
    """
    try:
        files = inputs(context_files(ROOT), target)
    except UnknownTargetError as error:
        raise ImageError(str(error)) from error
    tag = f"{REPOSITORY}:{target}-{inputs_hash(files)}"
    with exclusive(ROOT / ".cache" / "image-lock"):
        try:
            image = client.images.get(tag)
        except ImageNotFound:
            name = base_image(files["Dockerfile"].decode())
            may_make = make_base or may_make_base(os.environ)
            base = _ensure_base(client, name, on_progress, may_make=may_make)
            _build(client, tag, target, files, base, on_progress)
            image = client.images.get(tag)
            remove_old(client)
        image.tag(REPOSITORY, target)
    return tag


def context_files(root: Path) -> dict[str, bytes]:
    """Return the content of every file that .dockerignore includes, by path, sorted."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    paths = sorted(exclude_paths(str(root), patterns, dockerfile="Dockerfile"))
    return {path: (root / path).read_bytes() for path in paths if (root / path).is_file()}


def inputs_hash(files: Mapping[str, bytes]) -> str:
    """Return a short hash of all paths and contents."""
    digest = sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def base_image(dockerfile: str) -> str:
    """Return the image in `ARG BASE=`. Raises ImageError if there is none."""
    found = re.search(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    if found is None:
        raise ImageError(
            "The Dockerfile has no line ARG BASE=…; add one that names the base image."
        )
    return found[1]


def context_tar(files: Mapping[str, bytes]) -> bytes:
    """Return the build context; it is deterministic, so that layers are reused."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def build_args(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the host's settings for a build."""
    return {name: environment[name] for name in _BUILD_ARGS if environment.get(name)}


def ca_bundle(environment: Mapping[str, str]) -> bytes | None:
    """Return the host's own certificates, if pip or OpenSSL is configured with some."""
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        path = Path(environment.get(name) or os.devnull)
        if path.is_file():
            return path.read_bytes()
    return None


def _ensure_base(
    client: docker.DockerClient, name: str, on_progress: OnProgress, *, may_make: bool
) -> str:
    """Pull the base image, or make a replacement; return its name."""
    try:
        made = made_name(name)
    except BaseImageError as error:
        raise ImageError(str(error)) from error
    for candidate in (name, made):
        try:
            client.images.get(candidate)
        except ImageNotFound:
            continue
        return candidate
    on_progress(f"Pulling {name}")
    try:
        client.images.pull(name)
    except (APIError, RequestException) as failed:
        pull_failure = failed.explanation if isinstance(failed, APIError) else failed
        if not may_make:
            raise NoBaseImageError(
                f"The base image {name} cannot be pulled ({pull_failure}). Load it into the engine "
                "(docker save and docker load), or make it here from Debian's packages: "
                "`./justw peer-cli-image --make-base`, once and as root; it installs debootstrap "
                f"where that is missing. {MAKE_BASE_VARIABLE}=1 or CI=true says so beforehand. "
                "Without containers: --backend process."
            ) from failed
        on_progress(f"Pulling failed ({pull_failure}); making {made} from Debian's packages")
        try:
            make_base_image(client, made, on_progress=on_progress)
        except BaseImageError as failure:
            raise ImageError(
                f"The base image {name} can neither be pulled ({pull_failure}) nor made here: "
                f"{failure}"
            ) from failure
        return made
    return name


def _build(
    client: docker.DockerClient,
    tag: str,
    target: str,
    files: Mapping[str, bytes],
    base: str,
    on_progress: OnProgress,
) -> None:
    bundle = ca_bundle(os.environ)
    # The host's certificates are not part of the finished image, so not of its hash.
    sent = {**files, _CA_BUNDLE: bundle} if bundle else files
    output = client.api.build(
        fileobj=io.BytesIO(context_tar(sent)),
        custom_context=True,
        tag=tag,
        target=target,
        buildargs={**build_args(os.environ), "BASE": base},
        rm=True,
        forcerm=True,
        decode=True,
    )
    follow_build(output, on_progress)


def remove_old(client: docker.DockerClient) -> None:
    """Remove images of older trees: per target, all but the newest, unless a container uses them.

    Only tags made here count; the user's own tags stay.
    """
    images = client.images.list(REPOSITORY)
    images.sort(key=lambda image: str(image.attrs["Created"]), reverse=True)
    met: Counter[str] = Counter()
    for tag in (tag for image in images for tag in image.tags):
        made_here = _MADE_HERE.fullmatch(tag)
        if made_here is None:
            continue
        met[made_here["target"] or ""] += 1
        if met[made_here["target"] or ""] > KEPT_IMAGES:
            with suppress(APIError):  # in use, or already removed
                client.images.remove(tag)


def follow_build(output: Iterable[Mapping[str, object]], on_progress: OnProgress) -> None:
    """Forward a build's output line by line. Raises ImageError with its last lines if it failed."""
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
