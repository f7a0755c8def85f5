"""The Docker engine: connecting to it, its networks, and removal by label.

The SDK is imported lazily, so that the process backend needs neither it nor an engine.
"""

import ipaddress
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.core.backends.base import BackendError
from scenarios.core.label import DOCKER_KEY, RunLabel, parse_label

if TYPE_CHECKING:
    from docker import DockerClient

ANSWER_S = 60
CONNECTIONS = 64
SUBNETS_TRIED = 200
PAUSES_TRIED = 20  # of a quarter of a second each
REMOVALS_AT_ONCE = 8


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Convert errors of the SDK into a BackendError that names the failed operation."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise BackendError(f"Docker failed {doing}: {error}") from error


def pause(client: "DockerClient", container: str) -> None:
    """Pause a container. Raises BackendError.

    The runtime gives up soon when one of its processes waits for the disk, which cannot be frozen
    just then; it lets the others go on, and may be asked again.
    """
    for left in reversed(range(PAUSES_TRIED)):
        try:
            with engine_errors("to pause a container"):
                client.api.pause(container)
        except BackendError as error:
            if not left or "unable to freeze" not in str(error):
                raise
        else:
            return


def open_client() -> "DockerClient":
    """Return a client of the engine that the `docker` command would use. Raises BackendError."""
    try:
        import docker
        from docker.context import ContextAPI
    except ImportError as error:
        raise BackendError(
            "The Docker SDK is not installed; install this project with its extra `scenarios`."
        ) from error
    with engine_errors("to answer (is an engine running, and may you use it?)"):
        if os.environ.get("DOCKER_HOST"):
            client = docker.from_env(timeout=ANSWER_S, max_pool_size=CONNECTIONS)
        else:
            # Docker Desktop and rootless engines need a context.
            context = ContextAPI.get_current_context()
            client = docker.DockerClient(
                base_url=context.Host if context else None,
                timeout=ANSWER_S,
                max_pool_size=CONNECTIONS,
            )
        try:
            client.ping()
        except Exception:
            client.close()
            raise
    return client


def engine_version() -> str:
    """Return the version of the engine. Raises BackendError if none answers."""
    client = open_client()
    try:
        with engine_errors("to say its version"):
            return str(client.version()["Version"])
    finally:
        client.close()


def invoking_user(client: "DockerClient") -> str:
    """Return the user for containers such that files they write on the host are the invoker's."""
    with engine_errors("to describe itself"):
        security = client.info().get("SecurityOptions") or []
    # A rootless engine maps the invoker to root inside.
    rootless = any("rootless" in option for option in security)
    return "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"


def create_network(client: "DockerClient", label: RunLabel, name: str) -> tuple[str, str]:
    """Create an internal /24 network that overlaps with no other; return its ID and subnet."""
    from docker.errors import APIError
    from docker.types import IPAMConfig, IPAMPool

    taken = _host_networks()
    start = zlib.crc32(str(label).encode())
    refusal = "every candidate is in use on this machine"
    for attempt in range(SUBNETS_TRIED):
        number = (start + attempt) % (56 * 256)
        subnet = ipaddress.IPv4Network(f"10.{200 + number // 256}.{number % 256}.0/24")
        if any(subnet.overlaps(other) for other in taken):
            continue
        try:
            with engine_errors("to make a network"):
                pool = IPAMPool(subnet=str(subnet))
                network = client.networks.create(
                    name,
                    driver="bridge",
                    internal=True,
                    check_duplicate=True,
                    ipam=IPAMConfig(pool_configs=[pool]),
                    labels={DOCKER_KEY: str(label)},
                )
        except BackendError as error:
            if not isinstance(error.__cause__, APIError) or "overlap" not in str(error).lower():
                raise
            refusal = str(error)
            continue
        return str(network.id), str(subnet)
    raise BackendError(f"No subnet is free for a network of our own: {refusal}")


def sweep_docker(which: Callable[[RunLabel], bool]) -> tuple[list[str], list[str]]:
    """Remove the selected containers and networks; return their names. Raises BackendError."""
    client = open_client()
    try:
        with engine_errors("to list what is left of earlier runs"):
            containers = client.api.containers(all=True, filters={"label": DOCKER_KEY})
            networks = client.api.networks(filters={"label": DOCKER_KEY})
        chosen = [found for found in containers if _chosen(found, which)]
        remove_containers(client, [found["Id"] for found in chosen])
        gone = [str(found["Names"][0]).lstrip("/") for found in chosen]
        gone_networks = []
        for found in networks:
            if _chosen(found, which):
                remove_network(client, found["Id"])
                gone_networks.append(str(found["Name"]))
    finally:
        client.close()
    return gone, gone_networks


def remove_container(client: "DockerClient", container_id: str) -> None:
    """Kill and remove a container, unless it is gone or being removed already."""
    with _gone_is_fine("to remove a container"):
        client.api.remove_container(container_id, force=True, v=True)


def remove_containers(client: "DockerClient", container_ids: Sequence[str]) -> None:
    """Remove several containers concurrently."""
    if container_ids:
        with ThreadPoolExecutor(min(REMOVALS_AT_ONCE, len(container_ids))) as pool:
            # list(): waits for all, then raises the error of the first that failed.
            list(pool.map(lambda each: remove_container(client, each), container_ids))


def remove_network(client: "DockerClient", network_id: str) -> None:
    """Remove a network, unless it is gone already."""
    with _gone_is_fine("to remove a network"):
        client.api.remove_network(network_id)


@contextmanager
def _gone_is_fine(doing: str) -> Iterator[None]:
    from docker.errors import APIError

    try:
        with engine_errors(doing):
            yield
    except BackendError as error:
        cause = error.__cause__
        # 409: someone else is removing it.
        if not isinstance(cause, APIError) or (
            cause.status_code != 404 and "already in progress" not in str(cause)
        ):
            raise


def _chosen(found: dict[str, Any], which: Callable[[RunLabel], bool]) -> bool:
    label = parse_label(found["Labels"].get(DOCKER_KEY, ""))
    return label is not None and which(label)


def _host_networks() -> list[ipaddress.IPv4Network]:
    """Return the networks this machine has routes to, which the engine does not check."""
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []  # not Linux: the engine runs in a virtual machine
    found = []
    for line in lines:
        fields = line.split()
        # Both are hexadecimal in the machine's byte order (little-endian wherever we run).
        address, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, mask.bit_count())))
    return found
