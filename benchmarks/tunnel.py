"""How fast a tunnel is, compared with other ways to carry TCP through one connection or process.

    python -m benchmarks.tunnel [--mib MIB] [--rounds N]

Real nodes on loopback, and in turns whatever of the others is installed: two `socat` in a row (what
two relays cost without WebSocket), `websocat`, `rathole` with WebSocket. Figures: MiB/s one way and
echoed, the median round trip of 500 bytes, idle and beside a bulk stream, and streams opened per
second, one after the other. The target is 0.6 of two socat one way.
"""

import contextlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.measuring import in_turns, parser_of, print_table, timed

PIECE = bytes(1 << 20)
MESSAGE = bytes(500)
PINGS = 300
OPENS = 300
READY_S = 20.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables and return the exit code."""
    parser = parser_of("tunnel", __doc__)
    parser.add_argument("--mib", type=int, default=512, help="what is sent (default: 512)")
    options = parser.parse_args(arguments)
    mib, rounds = options.mib, options.rounds
    with ExitStack() as stack:
        sink, echo = (stack.enter_context(target(kind)) for kind in ("sink", "echo"))
        entries = {name: way(stack, sink, echo) for name, way in installed().items()}
        figures: dict[str, Callable[[tuple[int, int]], float]] = {
            "MiB/s one way": lambda at: mib / timed(lambda: sent(at[0], mib)),
            "MiB/s echoed": lambda at: mib / timed(lambda: echoed(at[1], mib)),
            "us round trip, idle": lambda at: round_trip(at[1]),
            "us round trip beside bulk": lambda at: beside_bulk(*at),
            "streams opened a second": lambda at: OPENS / timed(lambda: opened(at[1])),
        }
        for unit, figure in figures.items():
            ways = {name: partial(figure, at) for name, at in entries.items()}
            print_table(unit, in_turns(ways, rounds))
            print()
    return 0


# --- the ways -------------------------------------------------------------------------------------

# From the ports of a sink and an echo to the ports of their entries, all through one link.
Way = Callable[[ExitStack, int, int], tuple[int, int]]


def installed() -> dict[str, Way]:
    """Return the ways that there are here."""
    ways: dict[str, Way] = {"tunnel-cli": tunnel, "directly": lambda _, *ports: ports}
    others: dict[str, Way] = {"socat": socat, "websocat": websocat, "rathole": rathole}
    return ways | {name: way for name, way in others.items() if shutil.which(name)}


def tunnel(stack: ExitStack, sink: int, echo: int) -> tuple[int, int]:
    """Start a server and a client of ours."""
    link, to_sink, to_echo = free_port(), free_port(), free_port()
    url = f"http://127.0.0.1:{link}"
    ours = (sys.executable, "-m", "tunnel_cli", "--url", url)
    listens = (f"sink=127.0.0.1:{to_sink}", f"echo=127.0.0.1:{to_echo}")
    run(stack, *ours, "--server", *(word for one in listens for word in ("--listen", one)))
    connects = (f"sink=127.0.0.1:{sink}", f"echo=127.0.0.1:{echo}")
    run(
        stack, *ours, "--client-id", "1", *(word for one in connects for word in ("--connect", one))
    )
    return listening(to_sink), listening(to_echo)


def socat(stack: ExitStack, *ports: int) -> tuple[int, int]:
    """Start two relays in a row for each."""

    def relayed(port: int) -> int:
        entry = free_port()
        listen = f"TCP-LISTEN:{entry},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=128"
        run(stack, "socat", "-b", "131072", listen, f"TCP:127.0.0.1:{port},nodelay")
        return listening(entry)

    sink, echo = (relayed(relayed(port)) for port in ports)
    return sink, echo


def websocat(stack: ExitStack, *ports: int) -> tuple[int, int]:
    """Start both ends of websocat for each: a WebSocket per stream."""

    def carried(port: int) -> int:
        link, entry = free_port(), free_port()
        to = ("websocat", "--binary", "-B", "131072")
        run(stack, *to, f"ws-l:127.0.0.1:{link}", f"tcp:127.0.0.1:{port}")
        listening(link)
        run(stack, *to, f"tcp-l:127.0.0.1:{entry}", f"ws://127.0.0.1:{link}/")
        return listening(entry)

    sink, echo = map(carried, ports)
    return sink, echo


def rathole(stack: ExitStack, sink: int, echo: int) -> tuple[int, int]:
    """Start both ends of rathole over WebSocket."""
    link, to_sink, to_echo = free_port(), free_port(), free_port()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    services = {"sink": (to_sink, sink), "echo": (to_echo, echo)}
    for number, (side, at, key) in enumerate(
        (("server", "bind_addr", "bind_addr"), ("client", "remote_addr", "local_addr"))
    ):
        text = f'[{side}]\n{at} = "127.0.0.1:{link}"\n[{side}.transport]\ntype = "websocket"\n'
        text += f"[{side}.transport.websocket]\ntls = false\n"
        for name, addrs in services.items():
            text += f'[{side}.services.{name}]\ntoken = "x"\n{key} = "127.0.0.1:{addrs[number]}"\n'
        config = folder / f"{side}.toml"
        config.write_text(text)
        run(stack, "rathole", f"--{side}", str(config))
    return listening(to_sink), listening(to_echo)


def run(stack: ExitStack, *command: str) -> None:
    """Start a program that ends with the stack."""
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=silent, stderr=silent)

    def end() -> None:
        process.terminate()
        process.communicate()

    stack.callback(end)


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as freed:
        return int(freed.getsockname()[1])


def listening(port: int) -> int:
    """Return a port when somebody listens there. Raises TimeoutError."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), dialled(port):
            return port
        time.sleep(0.05)  # programs of others have no event to wait for
    raise TimeoutError(f"nobody listens at port {port}")


# --- the ends -------------------------------------------------------------------------------------


@contextmanager
def target(kind: str) -> Iterator[int]:
    """Serve as a process of its own; yield the port."""
    command = [sys.executable, "-m", "benchmarks.tunnel_target", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def dialled(port: int) -> socket.socket:
    """Connect."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def sent(port: int, mib: int) -> None:
    """Send, and wait until all has been read."""
    with dialled(port) as connection:
        connection.sendall((mib << 20).to_bytes(8, "big"))
        for _ in range(mib):
            connection.sendall(PIECE)
        assert connection.recv(1) == b"."


def echoed(port: int, mib: int) -> None:
    """Send to an echo and read all of it back."""
    with dialled(port) as connection:

        def send() -> None:
            for _ in range(mib):
                connection.sendall(PIECE)

        sending = threading.Thread(target=send)
        sending.start()
        left, buffer = mib << 20, bytearray(1 << 20)
        while left:
            count = connection.recv_into(buffer, min(left, len(buffer)))
            assert count, "the echo ended early"
            left -= count
        sending.join()


def round_trip(port: int) -> float:
    """Return the median time of a small message, there and back, in microseconds."""
    times = []
    with dialled(port) as connection:
        for _ in range(PINGS):
            times.append(timed(lambda: ping(connection)))
            time.sleep(0.001)
    return statistics.median(times) * 1e6


def ping(connection: socket.socket) -> None:
    """Send a small message to an echo and read it back."""
    connection.sendall(MESSAGE)
    left = len(MESSAGE)
    while left:
        left -= len(connection.recv(left))


def beside_bulk(sink: int, echo: int) -> float:
    """Return the same while another stream carries as much as it can."""
    command = [sys.executable, "-m", "benchmarks.tunnel_target", "pour", str(sink)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as bulk:
        try:
            assert bulk.stdout is not None
            bulk.stdout.readline()
            return round_trip(echo)
        finally:
            bulk.kill()


def opened(port: int) -> None:
    """Open streams one after the other; each carries a message."""
    for _ in range(OPENS):
        with dialled(port) as connection:
            ping(connection)


if __name__ == "__main__":
    sys.exit(main())
