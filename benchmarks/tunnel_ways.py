"""Ways to carry TCP through one connection or process: ours, and those of others.

Each takes the ports of a sink and of an echo, starts programs, and returns a `Relay`. It raises
NotHere if it cannot be had on this machine.
"""

import json
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.foreign import NotHere, free_port, from_pypi, listening, program, run

HOST = "127.0.0.1"
AWAKE_S = 30.0


@dataclass(frozen=True, slots=True)
class Relay:
    """The ports of the entries, and the sessions of the programs between them and the targets."""

    sink: int
    echo: int
    sessions: tuple[int, ...] = ()
    slow: bool = False  # gets a share of the work only


Way = Callable[[ExitStack, int, int], Relay]


def directly(_: ExitStack, sink: int, echo: int) -> Relay:
    """Nothing between."""
    return Relay(sink, echo)


def tunnel(stack: ExitStack, sink: int, echo: int) -> Relay:
    """Start a server and a client of ours."""
    link, to_sink, to_echo = free_port(), free_port(), free_port()
    ours = (sys.executable, "-m", "tunnel_cli", "--url", f"http://{HOST}:{link}")
    listens = (f"--listen=sink={HOST}:{to_sink}", f"--listen=echo={HOST}:{to_echo}")
    connects = (f"--connect=sink={HOST}:{sink}", f"--connect=echo={HOST}:{echo}")
    sessions = (
        run(stack, *ours, "--server", *listens),
        run(stack, *ours, "--client-id", "1", *connects),
    )
    return Relay(listening(to_sink), listening(to_echo), sessions)


def socat(stack: ExitStack, *ports: int) -> Relay:
    """Start two relays in a row for each: what two processes cost without WebSocket."""
    path = program("socat")

    def command(entry: int, port: int) -> tuple[str, ...]:
        listen = f"TCP-LISTEN:{entry},bind={HOST},fork,reuseaddr,nodelay,backlog=128"
        return path, "-b", "131072", listen, f"TCP:{HOST}:{port},nodelay"

    return two_in_a_row(stack, command, ports)


def bare(stack: ExitStack, *ports: int) -> Relay:
    """Start two relays in a row that only copy: what this machine and Python can do at most."""
    ours = (sys.executable, "-m", "benchmarks.tunnel_target", "relay")
    return two_in_a_row(stack, lambda entry, port: (*ours, str(entry), str(port)), ports)


def two_in_a_row(
    stack: ExitStack, command: Callable[[int, int], tuple[str, ...]], ports: Sequence[int]
) -> Relay:
    """Start two relays for each port; `command` makes one from its entry and where it leads."""
    sessions = []

    def relayed(port: int) -> int:
        entry = free_port()
        sessions.append(run(stack, *command(entry, port)))
        return listening(entry)

    sink, echo = (relayed(relayed(port)) for port in ports)
    return Relay(sink, echo, tuple(sessions))


def websocat(stack: ExitStack, *ports: int) -> Relay:
    """Start both ends of websocat for each: a WebSocket per stream."""
    path, sessions = program("websocat", crate=True), []

    def carried(port: int) -> int:
        link, entry = free_port(), free_port()
        ours = (path, "--binary", "-B", "131072")
        sessions.append(run(stack, *ours, f"ws-l:{HOST}:{link}", f"tcp:{HOST}:{port}"))
        listening(link)
        sessions.append(run(stack, *ours, f"tcp-l:{HOST}:{entry}", f"ws://{HOST}:{link}/"))
        return listening(entry)

    sink, echo = map(carried, ports)
    return Relay(sink, echo, tuple(sessions))


def websockify(stack: ExitStack, *ports: int) -> Relay:
    """Start websockify as the server's end, and websocat as the client's, which it has none of."""
    client, sessions = program("websocat", crate=True), []
    server = str(from_pypi("websockify", "websockify") / "websockify")

    def carried(port: int) -> int:
        link, entry = free_port(), free_port()
        sessions.append(run(stack, server, f"{HOST}:{link}", f"{HOST}:{port}"))
        listening(link)
        asks = (f"tcp-l:{HOST}:{entry}", f"ws://{HOST}:{link}/", "--protocol=binary")
        sessions.append(run(stack, client, "--binary", "-B", "131072", *asks))
        return listening(entry)

    sink, echo = map(carried, ports)
    return Relay(sink, echo, tuple(sessions))


def rathole(stack: ExitStack, sink: int, echo: int) -> Relay:
    """Start both ends of rathole over WebSocket."""
    path = program("rathole", crate=True)
    link, to_sink, to_echo = free_port(), free_port(), free_port()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    services = {"sink": (to_sink, sink), "echo": (to_echo, echo)}
    sessions = []
    for number, (side, at, key) in enumerate(
        (("server", "bind_addr", "bind_addr"), ("client", "remote_addr", "local_addr"))
    ):
        text = f'[{side}]\n{at} = "{HOST}:{link}"\n[{side}.transport]\ntype = "websocket"\n'
        text += f"[{side}.transport.websocket]\ntls = false\n"
        for name, addrs in services.items():
            text += f'[{side}.services.{name}]\ntoken = "x"\n{key} = "{HOST}:{addrs[number]}"\n'
        config = folder / f"{side}.toml"
        config.write_text(text)
        sessions.append(run(stack, path, f"--{side}", str(config)))
    return Relay(listening(to_sink), listening(to_echo), tuple(sessions))


def original(stack: ExitStack, sink: int, echo: int) -> Relay:
    """Start a server and a client of the public tcp-over-websocket."""
    python = str(from_pypi("tcp-over-websocket", "tcp-over-websocket") / "python")
    link, to_sink, to_echo, to_wake = (free_port() for _ in range(4))

    def listens(name: str, port: int) -> dict[str, object]:
        return {"tunnelName": name, "listenPort": port, "listenBindAddress": HOST}

    def connects(name: str, port: int) -> dict[str, object]:
        return {"tunnelName": name, "connectToHost": HOST, "connectToPort": port}

    sides: tuple[dict[str, object], ...] = (
        {
            "weAreServer": True,
            "tcpTunnelListens": [listens("sink", to_sink), listens("echo", to_echo)],
            "tcpTunnelConnects": [connects("wake", echo)],
        },
        {
            "weAreServer": False,
            "clientId": 1,
            "tcpTunnelListens": [listens("wake", to_wake)],
            "tcpTunnelConnects": [connects("sink", sink), connects("echo", echo)],
        },
    )
    sessions = []
    for side in sides:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config = side | {
            "dataExchange": {"serverUrl": f"http://{HOST}:{link}"},
            "standbySocketCloseDurationSecs": 1,
            "logging": {"level": "WARNING"},
        }
        Path(folder, "config.json").write_text(json.dumps(config))
        module = "tcp_over_websocket.run_tcp_over_websocket_service"
        sessions.append(run(stack, python, "-m", module, folder))
    # It swallows streams until a client is active, which takes data at a client's listener.
    with socket.create_connection((HOST, listening(to_wake)), timeout=AWAKE_S) as waking:
        waking.sendall(b".")
        if waking.recv(1) != b".":
            raise NotHere("no client becomes active")
    return Relay(listening(to_sink), listening(to_echo), tuple(sessions), slow=True)


OURS, HOPS, BARE, ORIGINAL = "tunnel-cli", "two socat", "two that copy", "tcp-over-websocket"
WAYS: dict[str, Way] = {
    OURS: tunnel,
    "directly": directly,
    HOPS: socat,
    BARE: bare,
    "websocat": websocat,
    "rathole": rathole,
    "websockify": websockify,
    ORIGINAL: original,
}
OTHERS = ("websocat", "rathole", "websockify", ORIGINAL)  # what carries it by WebSocket
