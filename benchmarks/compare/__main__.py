"""Downloads of one large file side by side: the peer, and what people would use instead.

    python -m benchmarks.compare [--mib MIB] [--files N] [--rounds N]
        [--backend process|docker|both] [--only NAME] [--folder FOLDER] [--out FOLDER]

With --files, instead of one large file N files of 4 KiB, by the ways that fetch folders.

All ways in turns, on the same file, which is in the page cache; each writes to the same disk. A way
whose program is missing is left out and said so (Debian: nginx-light, aria2, iperf3, rsync, curl,
python3-libtorrent, syncthing; the image that is built for Docker has them all). Rates are by the
clock of whoever waits: for the peer from the command to `download-finished`, everything verified,
durable and in its place; for the others from the start of the program to its end. How far apart the
rates of the floor are shows the noise of the machine.

Writes compare.json, compare.md and compare.svg into --out. Exit code 0, or 1 if a way failed.
"""

import argparse
import json
import os
import platform
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import docker

from benchmarks.compare.page import Result, Sample, as_json, chart, table
from benchmarks.compare.ways import FILE, GAME, PORT, WAYS, Place, Way
from benchmarks.measuring import add_size, parser_of
from scenarios.core.backends.base import (
    Argument,
    Backend,
    Mount,
    NodeSpec,
    OwnAddress,
    Placed,
    Program,
)
from scenarios.core.backends.docker import DockerBackend
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.errors import CommandFailed
from scenarios.core.label import own_label
from scenarios.core.node import Node
from scenarios.core.trial import Trial
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.games import (
    File,
    Thing,
    catalog_version,
    fill,
    made_game,
    served_size,
)
from scenarios.images.build import ensure_image

HERE = Path(__file__).parent
IMAGE = "bench"
TRANSFER_S = 600.0
LACKS = "not here"
GIB = 1 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results and return the exit code."""
    parser = parser_of("compare", __doc__)
    add_size(parser, "file")
    parser.add_argument("--files", type=int, help="small files instead of the large one")
    parser.add_argument("--backend", choices=["process", "docker", "both"], default="process")
    parser.add_argument("--only", action="append", metavar="NAME", help="one way; repeatable")
    parser.add_argument("--out", default="runs/compare", help="(default: runs/compare)")
    options = parser.parse_args(arguments)
    ways = [way for way in WAYS if not options.only or way.name in options.only]
    if not ways:
        parser.error(f"--only: there are {', '.join(way.name for way in WAYS)}")
    if options.files:
        ways = [replace(way, fetch=way.fetch_all) for way in ways if way.fetch_all]
    results = []
    for name in ("process", "docker") if options.backend == "both" else (options.backend,):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            content = small_files(options.files) if options.files else [large_file(options.mib)]
            results += measure(name, Path(folder), content, options.rounds, ways)
    write(Path(options.out), options, results)
    return int(any(result.failed and not result.failed.startswith(LACKS) for result in results))


def large_file(mib: int) -> Thing:
    """Return a game with one large file."""
    return made_game(GAME, mib << 20, "compare")


def small_files(count: int) -> list[Thing]:
    """Return a game of files of 4 KiB."""
    data, version = random.Random("compare"), f"{catalog_version(GAME)}\n".encode()
    files = [
        File(f"{GAME}/{number // 100}/{number}", data.randbytes(4 << 10)) for number in range(count)
    ]
    return [*files, File(f"{GAME}/version.ini", version)]


def measure(
    backend: str, folder: Path, content: Sequence[Thing], rounds: int, ways: Sequence[Way]
) -> list[Result]:
    """Return the results of all ways on one backend. A content of one thing is a large file.

    Small files stay until the end: for minutes after many were deleted, ext4 is slow to make new.
    """
    samples: dict[str, list[Sample]] = {way.name: [] for way in ways}
    failed: dict[str, str] = {}
    first: dict[str, float] = {}
    with hosts(backend, folder, content) as (target, *sources):
        size = served_size(folder / "source" / "games" / GAME)
        for turn in range(-1, rounds + 1):  # -1: a file of one byte; 0: fills the caches
            for way in ways:
                if turn < 0 and (lacks := lacking(way, target)):
                    failed[way.name] = f"{LACKS}: {lacks}"
                if way.name in failed or (turn < 0 and len(content) > 1):
                    continue
                length = 1 if turn < 0 else size
                if len(content) == 1:
                    set_size(folder, length)
                try:
                    sample = one(
                        way, target, sources[: way.sources], length, f"{ways.index(way)}-{turn}",
                        keep=len(content) > 1,
                    )  # fmt: skip
                except CommandFailed as error:
                    failed[way.name] = str(error)
                    continue
                if turn < 0:
                    first[way.name] = length / sample.mib_per_s / (1 << 20) * 1000
                elif turn:
                    samples[way.name].append(sample)
                    say(f"{backend}, round {turn}: {way.name}: {sample.mib_per_s:.3g} MiB/s")
    return [
        Result(
            way.name, backend, way.note, tuple(samples[way.name]), first.get(way.name),
            failed.get(way.name, ""),
        )
        for way in ways
    ]  # fmt: skip


@contextmanager
def hosts(backend: str, folder: Path, content: Sequence[Thing]) -> Iterator[list[Node]]:
    """Yield a target and two sources with the same game; end them afterwards."""
    shared, code = folder / "shared", Mount(HERE)
    shared.mkdir()
    catalog = Mount(fixtures.catalog_path())
    python = ("-P", Placed(code, "host.py"))
    program = Program((sys.executable, *python), ("python", *python), IMAGE)
    specs = []
    for name in ("target", "source", "second"):
        games, scratch = folder / name / "games", folder / name / "scratch"
        games.mkdir(parents=True)
        scratch.mkdir()
        if name != "target":
            fill(games, content)
        places = [Placed(Mount(path, writable=True)) for path in (games, scratch, shared)]
        arguments: tuple[Argument, ...] = (
            OwnAddress(), *places, Placed(code), Placed(catalog)
        )  # fmt: skip
        specs.append(NodeSpec(name, program, arguments, ready_event="ready"))
    with (
        closing(backend_of(backend)) as chosen,
        Trial(chosen, folder / "log") as trial,
    ):
        yield trial.start(*specs)


def backend_of(name: str) -> Backend:
    """Return a backend; that of containers builds its image first."""
    label = own_label("benchmark")
    if name == "process":
        return ProcessBackend(label)
    image = ensure_image(docker.from_env(), IMAGE, on_progress=lambda _: None)
    return DockerBackend(label, {IMAGE: image})


def set_size(folder: Path, size: int) -> None:
    """Let the sources have a file of this size: the large one stays beside a small one."""
    for name in ("source", "second"):
        root = folder / name / "games" / GAME
        file, aside = root / FILE, folder / name / "large"
        if size == 1 and not aside.exists():
            file.rename(aside)
            file.write_bytes(b"1")
        elif size > 1 and aside.exists():
            aside.rename(file)


def lacking(way: Way, host: Node) -> str:
    """Return the first thing that a way needs and a host lacks, or an empty text."""
    for need in way.needs:
        try:
            host.request("run", argv=["sh", "-c", f"{need} >/dev/null 2>&1"])
        except CommandFailed:
            return need
    return ""


def one(
    way: Way, target: Node, sources: Sequence[Node], size: int, name: str, *, keep: bool
) -> Sample:
    """Move the game once, into a folder of this name. Raises CommandFailed."""
    there, here = [place_of(source) for source in sources], place_of(target)
    here = replace(here, scratch=f"{here.scratch}/{name}")
    target.request("run", argv=["mkdir", "-p", f"{here.scratch}/got"])
    try:
        for source, place in zip(sources, there, strict=True):
            source.request("serve", argv=way.serve(place), port=PORT, timeout=TRANSFER_S)
        before = [source.request("cost")["cpu_s"] for source in sources]
        argv = [part.replace("{bytes}", str(size)) for part in way.fetch(here, tuple(there))]
        took = target.request("run", argv=argv, timeout=TRANSFER_S)
        costs = [source.request("cost") for source in sources]
    finally:
        for source in sources:
            source.request("stop", timeout=TRANSFER_S)
        if not keep:
            target.request("run", argv=["rm", "-rf", here.scratch])
    cpu = took["cpu_s"] + sum(cost["cpu_s"] for cost in costs) - sum(before)
    peak = max(took["peak_bytes"], *(cost["peak_bytes"] for cost in costs))
    return Sample(
        size / took["seconds"] / (1 << 20), cpu / (size / GIB), peak / (1 << 20),
        took.get("throughput"),
    )  # fmt: skip


def place_of(host: Node) -> Place:
    """Return what a host said of itself when it was ready."""
    [ready] = host.everything().events("ready")
    return Place(**ready.data)


def write(folder: Path, options: argparse.Namespace, results: Sequence[Result]) -> None:
    """Write the three files, and print the table."""
    when, linux = datetime.now(UTC), platform.release().partition("-")[0]
    about = {
        "when": when.isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {linux}",
        **({"files": options.files} if options.files else {"mib": options.mib}),
        "rounds": options.rounds,
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_json(about, results), indent=1)
    (folder / "compare.json").write_text(text, encoding="utf-8")
    (folder / "compare.md").write_text(table(results), encoding="utf-8")
    what = f"{options.files} files of 4 KiB" if options.files else f"{options.mib} MiB"
    title = f"{what} from one host to another, MiB/s ({about['machine']}, {when:%B %Y})"
    (folder / "compare.svg").write_text(chart(results, title), encoding="utf-8")
    print(table(results))
    say(f"Written to {folder}/.")


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
