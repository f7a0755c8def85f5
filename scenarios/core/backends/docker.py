"""Nodes as containers on their own internal network."""

import itertools
import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.core.backends.base import (
    AddressPool,
    Argument,
    BackendError,
    Capability,
    Capture,
    Ended,
    Mount,
    NodeSpec,
    OwnAddress,
    Placed,
    Sink,
)
from scenarios.core.backends.capture import can_capture, start_capture
from scenarios.core.backends.docker_engine import (
    create_network,
    engine_errors,
    invoking_user,
    open_client,
    pause,
    remove_container,
    remove_containers,
    remove_network,
)
from scenarios.core.backends.docker_stream import Writer, attach, deliver
from scenarios.core.label import DOCKER_KEY, ENVIRONMENT_NAME, RunLabel

if TYPE_CHECKING:
    from docker import DockerClient

# The daemon serialises most of a start (moby #42096); more threads would only wait there.
STARTS_AT_ONCE = 4
KNOWS_IPV6 = Path("/proc/net/if_inet6")
BRIDGED_IS_FILTERED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
# Nodes of a /24 cannot have the network, gateway and broadcast addresses.
FIRST_ADDRESS, LAST_ADDRESS = 2, 254

_CONFINED: Mapping[str, Any] = {"security_opt": ["no-new-privileges"]}
# Mounting needs the device and the right to mount. Users other than root get that right through
# fusermount, a set-user-ID program.
_FUSE: Mapping[str, Any] = {
    "devices": ["/dev/fuse"],
    "cap_add": ["SYS_ADMIN", "SETUID", "SETGID"],
    "security_opt": ["apparmor=unconfined"],
}
# In a network without an IPv6 subnet, the engine disables IPv6 altogether.
_LINK_LOCAL: Mapping[str, str] = {"net.ipv6.conf.all.disable_ipv6": "0"}


class DockerBackend:
    """One internal network, created with the first node; ``images`` maps image names to tags."""

    name = "docker"

    def __init__(self, label: RunLabel, images: Mapping[str, str]) -> None:
        self._label = label
        self._images = images
        self._client = open_client()
        self._user = invoking_user(self._client)
        self._containers: set[str] = set()  # IDs, from creation on
        self._numbers = itertools.count(1)
        self._starting = threading.Semaphore(STARTS_AT_ONCE)
        self._lock = threading.Lock()
        self._network = ""
        self._pool: AddressPool | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything but ::1, and multicast if the host's packet filter applies to bridges.

        Docker's rules for internal networks drop packets to addresses outside the network, and with
        this sysctl they also apply to bridged packets.
        """
        filtered = BRIDGED_IS_FILTERED.exists() and BRIDGED_IS_FILTERED.read_text().strip() != "0"
        lacking = {Capability.IPV6_LOOPBACK}
        if filtered:
            lacking.add(Capability.MULTICAST)
        if not KNOWS_IPV6.exists():
            lacking.add(Capability.LINK_LOCAL)
        if not Path("/dev/fuse").exists():
            lacking.add(Capability.FUSE)
        if not can_capture():
            lacking.add(Capability.CAPTURE)
        return frozenset(Capability) - lacking

    def new_address(self) -> str:
        """Lease the next address of the network. Raises BackendError."""
        return self._addresses().lease()

    def start(self, spec: NodeSpec, address: str, sink: Sink) -> "DockerHandle":
        """Create, attach to and start a container. Raises BackendError."""
        pool = self._addresses()
        pool.claim(address)
        with self._starting:
            container_id = ""
            try:
                container_id = self._create(spec, address)
                with engine_errors(f"to start {spec.name}"):
                    connection = attach(self._client, container_id)
                    self._client.api.start(container_id)
            except BackendError:
                if container_id:
                    self._forget(container_id)
                pool.give_back(address)
                raise
        targets = _targets(spec)
        return DockerHandle(
            self._client, container_id, self._network, address, targets, connection, sink, self
        )

    def capture(self, address: str, file: Path, *, whole: bool = False) -> Capture:
        """Start to capture an address's packets on the network's bridge.

        The bridge is on this machine, unless the engine runs in a virtual machine. Raises
        BackendError.
        """
        self._addresses()
        bridge = f"br-{self._network[:12]}"
        if not Path("/sys/class/net", bridge).exists():
            raise BackendError(
                "This engine keeps its networks in a machine of its own, where nothing can be "
                "captured; capture with --backend process."
            )
        environment = {ENVIRONMENT_NAME: str(self._label)}
        return start_capture(bridge, address, file, environment, whole=whole)

    def versions(self) -> dict[str, str]:
        """Return the engine's version and storage driver and the images."""
        with engine_errors("to say its version"):
            info = self._client.info()
        return {
            "docker": str(info["ServerVersion"]),
            "storage": str(info["Driver"]),
            "system": f"{info['OperatingSystem']} {info['KernelVersion']} {info['Architecture']}",
            "image": " ".join(self._images.values()),
        }

    def close(self) -> None:
        """Remove every container and the network. Idempotent."""
        with self._lock:
            container_ids = list(self._containers)
            self._containers.clear()
            network, self._network, self._pool = self._network, "", None
        remove_containers(self._client, container_ids)
        if network:
            remove_network(self._client, network)
        self._client.close()

    def gone(self, container_id: str, address: str) -> None:
        """Release the address of a removed container (called by its handle)."""
        self._forget(container_id)
        if self._pool is not None:
            self._pool.give_back(address)

    def move(self, old: str, new: str) -> None:
        """Record a container's new address (called by its handle)."""
        pool = self._addresses()
        pool.claim(new)
        pool.give_back(old)

    def _forget(self, container_id: str) -> None:
        remove_container(self._client, container_id)
        with self._lock:
            self._containers.discard(container_id)

    def _addresses(self) -> AddressPool:
        with self._lock:
            if self._pool is None:
                name = f"peer-scenarios-{self._label.run_id}-{self._label.pid}"
                self._network, subnet = create_network(self._client, self._label, name)
                self._pool = AddressPool(subnet, first=FIRST_ADDRESS, last=LAST_ADDRESS)
            return self._pool

    def _image_of(self, spec: NodeSpec) -> str:
        named = spec.program.image
        if named is None:
            raise BackendError(f"The program of {spec.name} names no image to make a container of.")
        return self._images.get(named, named)

    def _create(self, spec: NodeSpec, address: str) -> str:
        from docker.types import Mount as DockerMount

        api = self._client.api
        targets = _targets(spec)
        mounts = [
            DockerMount(
                target, str(mount.host.resolve()), type="bind", read_only=not mount.writable
            )
            if mount.limit_bytes is None
            else DockerMount(
                target, None, type="tmpfs", tmpfs_size=mount.limit_bytes, tmpfs_mode=0o1777
            )
            for mount, target in targets.items()
        ]
        entrypoint = spec.program.entrypoint
        label = self._label
        with engine_errors(f"to make a container for {spec.name}"):
            made = api.create_container(
                self._image_of(spec),
                name=f"peer-scenarios-{label.run_id}-{label.pid}-{next(self._numbers)}-{spec.name}",
                hostname=spec.name,
                entrypoint=_as_seen(entrypoint, targets, address) if entrypoint else None,
                command=_as_seen(spec.arguments, targets, address),
                environment={"HOME": "/tmp", **spec.env},  # noqa: S108 - inside the container
                user=self._user,
                labels={DOCKER_KEY: str(label)},
                # With these the engine closes stdin when the attached side closes it or dies,
                # so nodes exit even if the runner is killed.
                stdin_open=True,
                detach=False,
                host_config=api.create_host_config(
                    init=True,
                    mounts=mounts,
                    read_only=True,
                    tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - inside the container
                    cap_drop=["ALL"],
                    network_mode=self._network,
                    extra_hosts=dict(spec.hosts),
                    sysctls=dict(_LINK_LOCAL) if spec.link_local else {},
                    **(_FUSE if spec.fuse else _CONFINED),
                ),
                networking_config=api.create_networking_config(
                    # The type stubs are wrong: the SDK expects configurations by network.
                    {self._network: api.create_endpoint_config(ipv4_address=address)}  # type: ignore[arg-type]
                ),
            )
        container_id = str(made["Id"])
        with self._lock:
            self._containers.add(container_id)
        return container_id


class DockerHandle:
    """One container with its reader and writer threads."""

    def __init__(
        self,
        client: "DockerClient",
        container_id: str,
        network: str,
        address: str,
        targets: Mapping[Mount, str],
        connection: socket.socket,
        sink: Sink,
        backend: DockerBackend,
    ) -> None:
        self._client = client
        self._id = container_id
        self._network = network
        self._address = address
        self._targets = targets
        self._connection = connection
        self._sink = sink
        self._backend = backend
        self._writer = Writer(connection, container_id[:12])
        self._reader = threading.Thread(
            target=self._read, name=f"read {container_id[:12]}", daemon=True
        )
        self._reader.start()

    @property
    def address(self) -> str:
        """Its current address on the network."""
        return self._address

    def write(self, data: bytes) -> None:
        """Queue bytes for stdin."""
        self._writer.write(data)

    def close_stdin(self) -> None:
        """Close stdin after everything queued."""
        self._writer.close()

    def terminate(self) -> None:
        """Send SIGTERM, which the init process passes on."""
        self._kill("SIGTERM")

    def kill(self) -> None:
        """Send SIGKILL to the init process, which ends everything in the container."""
        self._kill("SIGKILL")

    def freeze(self) -> None:
        """Pause the container."""
        pause(self._client, self._id)

    def thaw(self) -> None:
        """Resume the container."""
        with engine_errors("to let a container go on"):
            self._client.api.unpause(self._id)

    def disconnect(self) -> None:
        """Disconnect the container from its only network."""
        with engine_errors("to disconnect a container"):
            self._client.api.disconnect_container_from_network(self._id, self._network, force=True)

    def reconnect(self, address: str | None) -> None:
        """Reconnect it, at the same or another address of the network."""
        wanted = address or self._address
        with engine_errors("to reconnect a container"):
            self._client.api.connect_container_to_network(
                self._id, self._network, ipv4_address=wanted
            )
        if wanted != self._address:
            self._backend.move(self._address, wanted)
            self._address = wanted

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative paths of everything below a mount, with `find` in the container."""
        target = self._targets[mount]
        command = ["find", target, "-mindepth", "1", "-printf", r"%P\0"]
        with engine_errors("to look into a container"):
            run = self._client.api.exec_create(self._id, command, stderr=False)
            output: bytes = self._client.api.exec_start(run["Id"])
            exit_code = self._client.api.exec_inspect(run["Id"])["ExitCode"]
        if exit_code != 0:
            raise BackendError(f"`{' '.join(command)}` in the container ended with {exit_code}.")
        return frozenset(name for name in output.decode(errors="replace").split("\0") if name)

    def path_of(self, mount: Mount) -> str:
        """Return the path of a mount in the container."""
        return self._targets[mount]

    def remove(self) -> None:
        """Remove the container by force and wait until all its output is delivered."""
        self._backend.gone(self._id, self._address)
        self._reader.join()
        # Also unblocks a writer whose data the container never read.
        self._connection.close()

    def _kill(self, signal_name: str) -> None:
        with engine_errors(f"to send {signal_name} to a container"):
            self._client.api.kill(self._id, signal_name)

    def _read(self) -> None:
        try:
            deliver(self._connection, self._sink)
        except BackendError as error:
            self._sink.ended(Ended(None, str(error), "backend-failed"))
        else:
            self._sink.ended(self._how_it_ended())

    def _how_it_ended(self) -> Ended:
        try:
            with engine_errors("to say how a container ended"):
                exit_code = int(self._client.api.wait(self._id)["StatusCode"])
                state = self._client.api.inspect_container(self._id)["State"]
        except BackendError as error:
            return Ended(None, str(error), "backend-failed")
        if state["OOMKilled"]:
            return Ended(exit_code, "killed for want of memory", "out-of-memory")
        return Ended(exit_code)


def _targets(spec: NodeSpec) -> dict[Mount, str]:
    return {mount: f"/mnt/{number}" for number, mount in enumerate(spec.all_mounts())}


def _as_seen(
    arguments: Iterable[Argument], targets: Mapping[Mount, str], address: str
) -> list[str]:
    seen = []
    for argument in arguments:
        if isinstance(argument, Placed):
            target = targets[argument.mount]
            seen.append(f"{target}/{argument.inside}" if argument.inside else target)
        elif isinstance(argument, OwnAddress):
            seen.append(f"{argument.prefix}{address}{argument.suffix}")
        else:
            seen.append(argument)
    return seen
