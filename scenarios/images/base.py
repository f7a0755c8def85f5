"""Makes the Dockerfile's base image from Debian's packages, if no registry is reachable."""

import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

_PACKAGES = ("debootstrap", "debian-archive-keyring")
# Not needed in an image; half of its size.
_SUPERFLUOUS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man")
_LAST_LINES = 15
_REPOSITORY = "peer-cli-base"


class BaseImageError(Exception):
    """The base image cannot be made on this machine; the text says what to do."""


def make_base_image(
    client: docker.DockerClient, name: str, *, on_progress: Callable[[str], None]
) -> None:
    """Import a minimal Debian as `name`, which comes from `made_name`; takes a minute.

    Needs root and, if debootstrap is not installed, apt-get. Raises BaseImageError.
    """
    repository, _, suite = name.rpartition(":")
    if os.geteuid() != 0:
        raise BaseImageError(
            f"Making it needs root. Load it into the engine from another machine "
            f"(docker save {name} | docker load), or run `./justw peer-cli-image --make-base` "
            "once as root."
        )
    if shutil.which("debootstrap") is None:
        _install_debootstrap(on_progress)
    with tempfile.TemporaryDirectory(prefix="base-image-", dir="/var/tmp") as scratch:
        root = Path(scratch, "root")
        with _nothing_mounted_afterwards(root):
            _run(["debootstrap", "--variant=minbase", suite, str(root)], on_progress)
        for folder in _SUPERFLUOUS:
            for path in (root / folder).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        packed = Path(scratch, "root.tar")
        _run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(packed), "."], on_progress)
        on_progress(f"Importing {name}")
        client.api.import_image_from_file(
            str(packed), repository=repository, tag=suite, changes=['CMD ["bash"]']
        )


def made_name(name: str) -> str:
    """Return the name of the image made instead: `peer-cli-base:bookworm` for
    `debian:bookworm-slim@sha256:…`, since an image made here cannot have that digest.

    Raises BaseImageError unless the image is Debian's.
    """
    found = re.fullmatch(
        r"(?:docker\.io/)?(?:library/)?debian:([a-z]+)(?:-slim)?(?:@sha256:[0-9a-f]{64})?", name
    )
    if found is None:
        raise BaseImageError(
            f"Only images such as debian:bookworm-slim can be made from packages, not {name}; "
            f"load it into the engine (docker load)."
        )
    return f"{_REPOSITORY}:{found[1]}"


def _install_debootstrap(on_progress: Callable[[str], None]) -> None:
    if shutil.which("apt-get") is None:
        raise BaseImageError("Making it needs debootstrap; install it, then try again.")
    _run(["apt-get", "update"], on_progress)
    _run(["apt-get", "install", "--yes", "--no-install-recommends", *_PACKAGES], on_progress)


@contextmanager
def _nothing_mounted_afterwards(root: Path) -> Iterator[None]:
    """Unmount what an interrupted debootstrap left mounted, before the folder is removed."""
    try:
        yield
    finally:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        points = [line.split()[1] for line in mounts]
        for point in reversed([point for point in points if Path(point).is_relative_to(root)]):
            subprocess.run(["umount", point], check=True)


def _run(command: list[str], on_progress: Callable[[str], None]) -> None:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            last.append(line)
            on_progress(line.rstrip())
    if process.returncode != 0:
        raise BaseImageError(f"`{' '.join(command)}` failed; its last lines were:\n{''.join(last)}")
