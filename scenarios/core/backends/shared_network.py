"""The Docker network that all live nodes share, so that nodes of two terminals can meet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scenarios.core.backends.base import AddressPool, BackendError
from scenarios.core.backends.docker import FIRST_ADDRESS, LAST_ADDRESS, DockerBackend
from scenarios.core.backends.docker_engine import (
    create_network,
    engine_errors,
    open_client,
    remove_network,
)
from scenarios.core.label import RunLabel
from scenarios.core.locks import exclusive
from scenarios.root import ROOT

if TYPE_CHECKING:
    from docker import DockerClient

NAME = "peer-cli-live"
LIVE = ROOT / ".cache" / "live"
# It outlives the node that created it, so it has no label by which it could be swept.
_NOBODYS = RunLabel("live", "shared", 0, "-")


class LiveDockerBackend(DockerBackend):
    """Starts containers in the shared network, which is removed with the last of them.

    Lease an address and start within `starting`: the addresses in use are looked up only once.
    """

    def close(self) -> None:
        """Remove this runner's containers, and the network if no other live node uses it."""
        with self._lock:
            self._network = ""
        super().close()
        remove_unused_network()

    def _addresses(self) -> AddressPool:
        with self._lock:
            if self._pool is None:
                self._network, subnet, taken = _join(self._client)
                self._pool = AddressPool(subnet, first=FIRST_ADDRESS, last=LAST_ADDRESS)
                for address in taken:
                    self._pool.claim(address)
            return self._pool


def remove_unused_network() -> list[str]:
    """Remove the shared network unless a container is in it; return what was removed.

    Without an engine there is nothing to remove. Waits for a live node that is starting,
    since it may have created the network, but no container yet.
    """
    try:
        client = open_client()
    except BackendError:
        return []
    removed = []
    try:
        with starting():
            for network_id, _, taken in _found(client):
                if not taken:
                    remove_network(client, network_id)
                    removed.append(NAME)
    finally:
        client.close()
    return removed


@contextmanager
def starting() -> Iterator[None]:
    """Hold the lock under which a live node leases its address and starts."""
    LIVE.mkdir(parents=True, exist_ok=True)
    with exclusive(LIVE / "start-lock"):
        yield


def _join(client: "DockerClient") -> tuple[str, str, list[str]]:
    """Return the network's ID, its subnet and the addresses in use; creates it if missing."""
    for found in _found(client):
        return found
    return (*create_network(client, _NOBODYS, NAME), [])


def _found(client: "DockerClient") -> list[tuple[str, str, list[str]]]:
    with engine_errors(f"to look for the network {NAME}"):
        networks = client.networks.list(names=[f"^{NAME}$"], greedy=True)
        return [
            (
                str(network.id),
                str(network.attrs["IPAM"]["Config"][0]["Subnet"]),
                [
                    endpoint["IPv4Address"].partition("/")[0]
                    for endpoint in (network.attrs["Containers"] or {}).values()
                ],
            )
            for network in networks
        ]
