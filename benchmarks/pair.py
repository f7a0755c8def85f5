"""How fast a pair shares a large file, beside what people would use instead.

    python -m benchmarks.pair [--mib MIB] [--rounds N] [--folder FOLDER] [--out FOLDER]

All in turns, as processes on loopback, with the file in the page cache:

- a pull, encrypted, verified and in its place, beside one stream from `openssl s_client` to
  `s_server` with TLS 1.3 (the floor: it neither verifies content nor resumes), and beside
  magic-wormhole with a mailbox and a transit relay of its own (from PyPI, installed into
  .cache/others); its time begins when the receiver is started
- the file read once from beginning to end on the mount, beside sshfs
- pulls through a proxy that passes everything on at once, or 1 ms later in each direction
- the most memory that each peer has taken, after the pulls and after the reads

What cannot be measured here is left out and said so. Writes pair.json and pair.md into --out.
Exit code 0, or 1 if a target is missed: a pull has 0.8 of the floor's rate with AES-GCM, the mount
0.6 of the pull's, 1 ms costs less than 10 %, a peer takes less than 96 MiB.
"""

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.foreign import quiet
from benchmarks.measuring import add_out, add_size, in_turns, parser_of, processes, timed
from benchmarks.pair_others import openssl, sshfs, wormhole
from benchmarks.results import Found, Target, write
from scenarios.core.backends.base import Capability
from scenarios.families.pair.family import FAMILY
from scenarios.families.pair.pair import NAMES, Pair
from scenarios.families.pair.programs import PAIR_PROGRAM
from scenarios.root import ROOT

NAME, MIB = "large.bin", 1 << 20
PULL, FLOOR, MOUNT = "pair-cli", "openssl, AES-256-GCM", "pair-cli's mount"
SUITES = {FLOOR: "TLS_AES_256_GCM_SHA384", "openssl, ChaCha20": "TLS_CHACHA20_POLY1305_SHA256"}
NEAR, FAR, DELAY_S = "without a delay", "1 ms later", 0.001
PULLED, READ, DELAYED = "MiB/s pulled", "MiB/s read on a mount", "MiB/s through a proxy"
MEMORY = "MiB of memory"
MEMORY_MIB = 96
WITHIN_S = 60.0

Way = Callable[[], float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results and return the exit code."""
    parser = parser_of("pair", __doc__)
    add_size(parser, "file")
    add_out(parser, "pair")
    options = parser.parse_args(arguments)
    found = Found()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure_near(Path(folder) / "near", options.mib, options.rounds, found)
        measure_far(Path(folder) / "far", options.mib, options.rounds, found)
    about = {"mib": options.mib, "rounds": options.rounds}
    return write(Path(options.out), "pair", about, found, targets(found))


# --- measuring ------------------------------------------------------------------------------------


def measure_near(folder: Path, mib: int, rounds: int, found: Found) -> None:
    """Measure pulls and reads, each beside those of others."""
    with ExitStack() as stack:
        pair, mounts = stack.enter_context(started(folder))
        pair.start(desks=NAMES if mounts else ())
        file = shared(pair, mib)
        ways: dict[str, Way] = {PULL: partial(pulled, pair)}
        for name, suite in SUITES.items():
            with found.told(name):
                ways[name] = openssl(folder, file, suite)
        with found.told("magic-wormhole"):
            ways["magic-wormhole"] = wormhole(stack, folder, file)
        found.figures[PULLED] = rates(ways, mib, rounds)
        if not mounts:
            for name in (MOUNT, MEMORY, "sshfs"):
                found.skipped[name] = "nobody may mount here"
            return
        memory = found.figures.setdefault(MEMORY, {})
        memory.update(peaks(pair, "pulls"))
        pair.bravo.mounts()
        ways = {MOUNT: partial(read_on_mount, pair)}
        with found.told("sshfs"):
            shown = stack.enter_context(sshfs(folder, file))
            ways["sshfs"] = partial(timed, partial(quiet, *dd(str(shown))))
        found.figures[READ] = rates(ways, mib, rounds)
        memory.update(peaks(pair, "pulls and reads"))


def measure_far(folder: Path, mib: int, rounds: int, found: Found) -> None:
    """Measure pulls through a proxy, which a man in the middle has the two dial."""
    with started(folder) as (pair, _):
        pair.start(middle=True, join=False)
        addrs = [peer.addr for peer in pair.peers]
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.delaying", *addrs],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as proxy:  # fmt: skip
            assert proxy.stdin
            assert proxy.stdout
            ways_in = [proxy.stdout.readline().strip() for _ in addrs]
            for addr, way_in in zip(addrs, ways_in, strict=True):
                pair.middle.request("lead", upstream=addr, addr=way_in)
            pair.join()
            assert {peer.status()["addr"] for peer in pair.peers} & set(ways_in), "it goes around"
            shared(pair, mib)

            def after(delay_s: float) -> float:
                print(delay_s, file=proxy.stdin, flush=True)
                assert proxy.stdout
                proxy.stdout.readline()
                return pulled(pair)

            ways = {NEAR: partial(after, 0.0), FAR: partial(after, DELAY_S)}
            found.figures[DELAYED] = rates(ways, mib, rounds)
            proxy.terminate()


@contextmanager
def started(folder: Path) -> Iterator[tuple[Pair, bool]]:
    """Yield a pair that has yet to be started, and whether it may mount; end it afterwards."""
    with processes(folder, FAMILY) as trial:
        mounts = Capability.FUSE in trial.backend.capabilities
        yield Pair(trial, PAIR_PROGRAM.program(), folder / "work"), mounts


def shared(pair: Pair, mib: int) -> Path:
    """Let alpha share a large file; return it."""
    file, chance = pair.alpha.file(NAME), random.Random(1)
    with file.open("wb") as out:
        for _ in range(mib):
            out.write(chance.randbytes(MIB))
    window = pair.bravo.window()
    pair.alpha.add(NAME)
    window.wait_event("file-announced", path=NAME)
    return file


def pulled(pair: Pair) -> float:
    """Return the seconds from the command to the file in its place."""
    pair.bravo.file(f"pulled/{NAME}").unlink(missing_ok=True)
    return timed(partial(pair.bravo.pulls, NAME))


def read_on_mount(pair: Pair) -> float:
    """Return the seconds in which a program reads all of the file."""
    done = pair.bravo.node.request("desk-run", words=dd(NAME), timeout=WITHIN_S)
    assert done["exit_code"] == 0, done["said"]
    return float(done["seconds"])


def dd(path: str) -> list[str]:
    """Return the command that reads a file and throws it away."""
    return ["dd", f"if={path}", "of=/dev/null", "bs=1M"]


def peaks(pair: Pair, after: str) -> dict[str, list[float]]:
    """Return the peak of each peer's memory so far, in MiB."""
    return {
        f"{what}, {after}": [peer.tries("memory")["bytes"] / MIB]
        for what, peer in (("source", pair.alpha), ("receiver", pair.bravo))
    }


def rates(ways: Mapping[str, Way], mib: int, rounds: int) -> dict[str, list[float]]:
    """Return the rates of each way, in MiB/s."""
    took = in_turns(ways, rounds)
    return {name: [mib / seconds for seconds in each] for name, each in took.items()}


# --- what it comes to -----------------------------------------------------------------------------


def targets(found: Found) -> list[Target]:
    """Return what is aimed at, as far as it was measured."""
    middle = {**found.medians(PULLED), **found.medians(READ), **found.medians(DELAYED)}
    wanted = (
        ("a pull, of the floor's rate", PULL, FLOOR, 0.8),
        ("the mount, of the pull's rate", MOUNT, PULL, 0.6),
        ("with 1 ms, of the rate without", FAR, NEAR, 0.9),
    )
    met = [
        Target(what, middle[one] / middle[other], least)
        for what, one, other, least in wanted
        if one in middle and other in middle
    ]
    most = found.medians(MEMORY).values()
    return [*met, *([Target(MEMORY, max(most), MEMORY_MIB, most=True)] if most else [])]


if __name__ == "__main__":
    sys.exit(main())
