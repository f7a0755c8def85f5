"""How fast a tunnel is, compared with other ways to carry TCP through one connection or process.

    python -m benchmarks.tunnel [--mib MIB] [--rounds N] [--out FOLDER]

Real nodes on loopback, in turns with two relays in a row that only copy, and with whatever of the
others is here (tunnel_ways.py): two `socat` in a row, `websocat`, `rathole` with WebSocket,
`websockify`, and the public `tcp-over-websocket`; the last two are installed from PyPI into
.cache/others. What is much slower gets a share of the work, and no bulk stream beside another:
tcp-over-websocket has no flow control.

Figures: MiB/s one way and echoed, CPU seconds per GiB one way of all programs between the ends, the
median round trip of 500 bytes, idle and beside a bulk stream, streams opened a second, each with a
message, one after the other and by 16 threads at once, and once, what an idle stream takes (of
1,000; of others 100, as some need minutes for more), and by how much the peak of our nodes grows
while 100 MiB are echoed.

Writes tunnel.json and tunnel.md into --out. Exit code 0, or 1 if a target is missed: one way 0.6 of
two socat, ahead of all others and 20 times tcp-over-websocket, 1,000 opens a second at once, and
100 MiB echoed with less than 64 MiB more at the peak.
"""

import math
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from benchmarks.compare.host import peak_of, used
from benchmarks.measuring import add_out, in_turns, parser_of, timed
from benchmarks.results import Columns, Found, Target, write
from benchmarks.tunnel_ways import HOPS, ORIGINAL, OTHERS, OURS, WAYS, Relay

PIECE = bytes(1 << 20)
MESSAGE = bytes(500)
PINGS, OPENS, IDLE = 300, 300, 1000
AT_ONCE = 16
SLOW = 64  # by how much less the slow have to do
ONE_WAY, ECHOED, CPU = "MiB/s one way", "MiB/s echoed", "CPU s/GiB one way"
AT_REST, BUSY = "us round trip, idle", "us round trip beside bulk"
OPENED = "streams opened a second, one after the other"
OPENED_AT_ONCE = f"streams opened a second, {AT_ONCE} at once"
PER_STREAM, GROWTH = "KiB per idle stream", "MiB more at the peak, 100 MiB echoed"
ECHO_MIB, GROWTH_MIB = 100, 64.0
SILENT_S = 60.0
HUNG = "it hung"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results and return the exit code."""
    parser = parser_of("tunnel", __doc__)
    parser.add_argument("--mib", type=int, default=512, help="what is sent (default: 512)")
    add_out(parser, "tunnel")
    options = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # also of what is started from here
    found = Found()
    with ExitStack() as stack:
        sink, echo = (stack.enter_context(target(kind)) for kind in ("sink", "echo"))
        relays: dict[str, Relay] = {}
        for name, way in WAYS.items():
            with found.told(name):
                relays[name] = way(stack, sink, echo)
        before = total(relays[OURS], peak_of)
        echoed(relays[OURS], ECHO_MIB)
        found.figures[GROWTH] = {OURS: [(total(relays[OURS], peak_of) - before) / 2**20]}
        figures: dict[str, Callable[[Relay], float]] = {
            ONE_WAY: lambda relay: rate(sent, relay, options.mib),
            ECHOED: lambda relay: rate(echoed, relay, options.mib),
            CPU: lambda relay: cpu_per_gib(relay, options.mib),
            AT_REST: round_trip,
            BUSY: beside_bulk,
            OPENED: lambda relay: opened(relay, 1),
            OPENED_AT_ONCE: lambda relay: opened(relay, AT_ONCE),
        }
        for unit, figure in figures.items():
            print(unit, file=sys.stderr)
            ways = {
                name: partial(or_nan, found, name, unit, partial(figure, relay))
                for name, relay in relays.items()
                if not (unit == BUSY and relay.slow) and not (unit == CPU and not relay.sessions)
            }
            columns = in_turns(ways, options.rounds)
            found.figures[unit] = numbers_of(columns)
        print(PER_STREAM, file=sys.stderr)
        once = {
            name: or_nan(
                found,
                name,
                PER_STREAM,
                partial(per_idle_stream, relay, IDLE if name == OURS else IDLE // 10),
            )
            for name, relay in relays.items()
            if relay.sessions
        }
        found.figures[PER_STREAM] = numbers_of({name: [figure] for name, figure in once.items()})
    about = {"mib": options.mib, "rounds": options.rounds}
    return write(Path(options.out), "tunnel", about, found, targets(found))


def targets(found: Found) -> list[Target]:
    """Return what is aimed at, as far as it was measured."""
    rates = found.medians(ONE_WAY)
    ours = rates[OURS]
    met = [
        Target(OPENED_AT_ONCE, found.medians(OPENED_AT_ONCE)[OURS], 1000),
        Target(GROWTH, found.medians(GROWTH)[OURS], GROWTH_MIB, most=True),
    ]
    if HOPS in rates:
        met.append(Target("one way, of two socat", ours / rates[HOPS], 0.6))
    if ORIGINAL in rates:
        met.append(Target("one way, of tcp-over-websocket", ours / rates[ORIGINAL], 20))
    others = [rates[name] for name in OTHERS if name in rates]
    if others:
        met.append(Target("one way, of the best other", ours / max(others), 1))
    return met


# --- figures --------------------------------------------------------------------------------------


def rate(move: Callable[[Relay, int], None], relay: Relay, mib: int) -> float:
    """Return MiB/s."""
    share = mib // SLOW if relay.slow else mib
    return share / timed(partial(move, relay, share))


def or_nan(found: Found, name: str, unit: str, figure: Callable[[], float]) -> float:
    """Return a figure; NaN, with a note, if a program of others broke the connection.

    One that hung is not asked for this figure again.
    """
    what = f"{name}, {unit}"
    if HUNG in found.skipped.get(what, ""):
        return math.nan
    try:
        return figure()
    except OSError as error:
        if name == OURS:
            raise
        told = HUNG if isinstance(error, TimeoutError) else f"it broke a connection: {error}"
        found.skipped[what] = told
        return math.nan


def numbers_of(columns: Columns) -> Columns:
    """Return what was measured, without the rounds in which a program failed."""
    worked = {
        name: [each for each in column if not math.isnan(each)] for name, column in columns.items()
    }
    return {name: column for name, column in worked.items() if column}


def cpu_per_gib(relay: Relay, mib: int) -> float:
    """Return the CPU seconds per GiB of everything between the ends."""
    share = mib // SLOW if relay.slow else mib
    before = total(relay, cpu)
    sent(relay, share)
    return (total(relay, cpu) - before) * 1024 / share


def sent(relay: Relay, mib: int) -> None:
    """Send, and wait until all has been read."""
    with dialled(relay.sink) as connection:
        connection.sendall((mib << 20).to_bytes(8, "big"))
        for _ in range(mib):
            connection.sendall(PIECE)
        if connection.recv(1) != b".":
            raise ConnectionError("the stream ended before all was read")


def echoed(relay: Relay, mib: int) -> None:
    """Send to an echo and read all of it back."""
    with dialled(relay.echo) as connection:

        def send() -> None:
            for _ in range(mib):
                connection.sendall(PIECE)

        sending = threading.Thread(target=send)
        sending.start()
        left, buffer = mib << 20, bytearray(1 << 20)
        while left:
            count = connection.recv_into(buffer, min(left, len(buffer)))
            if not count:
                raise ConnectionError("the echo ended early")
            left -= count
        sending.join()


def round_trip(relay: Relay) -> float:
    """Return the median time of a small message, there and back, in microseconds."""
    times = []
    with dialled(relay.echo) as connection:
        for _ in range(PINGS // 10 if relay.slow else PINGS):
            times.append(timed(lambda: ping(connection)))
            time.sleep(0.001)
    return statistics.median(times) * 1e6


def ping(connection: socket.socket) -> None:
    """Send a small message to an echo and read it back."""
    connection.sendall(MESSAGE)
    left = len(MESSAGE)
    while left:
        received = len(connection.recv(left))
        if not received:
            raise ConnectionError("the echo ended early")
        left -= received


def beside_bulk(relay: Relay) -> float:
    """Return the same while another stream carries as much as it can."""
    command = [sys.executable, "-m", "benchmarks.tunnel_target", "pour", str(relay.sink)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as bulk:
        try:
            assert bulk.stdout is not None
            bulk.stdout.readline()
            return round_trip(relay)
        finally:
            bulk.kill()


def opened(relay: Relay, at_once: int) -> float:
    """Return the streams opened a second by so many threads; each carries a message."""
    count = OPENS // 10 if relay.slow else OPENS

    def open_one(_: int) -> None:
        with dialled(relay.echo) as connection:
            ping(connection)

    with ThreadPoolExecutor(at_once) as threads:
        return count / timed(lambda: deque(threads.map(open_one, range(count)), maxlen=0))


def per_idle_stream(relay: Relay, count: int) -> float:
    """Return the memory that each of so many streams takes which has carried a message, in KiB."""
    before = total(relay, shared_out)
    with ExitStack() as stack:
        for _ in range(count):
            ping(stack.enter_context(dialled(relay.echo)))
        return (total(relay, shared_out) - before) / count / 1024


# --- programs between the ends --------------------------------------------------------------------


def total(relay: Relay, of: Callable[[str], float]) -> float:
    """Return the sum of a number over a relay's running processes."""
    found = 0.0
    for pid in filter(str.isdecimal, (path.name for path in Path("/proc").iterdir())):
        with suppress(OSError):  # it has ended
            if used(pid)[1] in relay.sessions:
                found += of(pid)
    return found


def cpu(pid: str) -> float:
    """Return the CPU seconds that a process and its ended children have used."""
    return used(pid)[0]


def shared_out(pid: str) -> int:
    """Return the memory of a process in bytes; what several share is divided (PSS)."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    [row] = [row for row in rows if row.startswith("Pss:")]
    return int(row.split()[1]) << 10


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
    """Connect. Some programs of others spin and pass nothing on, so no wait is endless."""
    connection = socket.create_connection(("127.0.0.1", port), SILENT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


if __name__ == "__main__":
    sys.exit(main())
