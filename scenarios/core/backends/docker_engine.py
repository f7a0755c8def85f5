"""The Docker engine: whether it answers, its networks, and removing by label.

The SDK is imported when it is needed, so that processes need neither it nor an engine.
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
REMOVALS_AT_ONCE = 8


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into a BackendError that says what was being done."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise BackendError(f"Docker failed {doing}: {error}") from error


def open_client() -> "DockerClient":
    """Return a client of the engine that the `docker` command would use; BackendError if none."""
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
            # Docker Desktop and rootless engines are reached by a context.
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
    """Return the version of the engine that answers; raises BackendError."""
    client = open_client()
    try:
        with engine_errors("to say its version"):
            return str(client.version()["Version"])
    finally:
        client.close()


def invoking_user(client: "DockerClient") -> str:
    """Return the user of containers, for whom what they write on the host is the invoker's."""
    with engine_errors("to describe itself"):
        security = client.info().get("SecurityOptions") or []
    # In a rootless engine the invoker is root inside.
    rootless = any("rootless" in option for option in security)
    return "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"


def create_network(client: "DockerClient", label: RunLabel, name: str) -> tuple[str, str]:
    """Make an internal /24 network that overlaps with nothing here; return its ID and subnet."""
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
    """Remove the chosen containers and networks; return their names. Raises BackendError."""
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
    """Kill and remove a container; one that is gone, or is being removed, is fine."""
    with _gone_is_fine("to remove a container"):
        client.api.remove_container(container_id, force=True, v=True)


def remove_containers(client: "DockerClient", container_ids: Sequence[str]) -> None:
    """Remove several containers at once."""
    if container_ids:
        with ThreadPoolExecutor(min(REMOVALS_AT_ONCE, len(container_ids))) as pool:
            # list: raises what the first failed removal raised, after all have ended.
            list(pool.map(lambda each: remove_container(client, each), container_ids))


def remove_network(client: "DockerClient", network_id: str) -> None:
    """Remove a network; one that is gone is fine."""
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
        # 409: another one removes it just now.
        if not isinstance(cause, APIError) or (
            cause.status_code != 404 and "already in progress" not in str(cause)
        ):
            raise


def _chosen(found: dict[str, Any], which: Callable[[RunLabel], bool]) -> bool:
    label = parse_label(found["Labels"].get(DOCKER_KEY, ""))
    return label is not None and which(label)


def _host_networks() -> list[ipaddress.IPv4Network]:
    """Return the networks this machine has routes to; the engine does not look at these."""
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []  # not Linux: the engine lives in a machine of its own
    found = []
    for line in lines:
        fields = line.split()
        # Both are hexadecimal in the byte order of the machine (little-endian wherever we run).
        address, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, mask.bit_count())))
    return found
