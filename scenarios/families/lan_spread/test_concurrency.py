"""Concurrent transfers, many files, and the throughput of one transfer: S24 to S26, S34, S37."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from collections import Counter
from collections.abc import Sequence
from random import Random

from scenarios.core.log import Event
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.attempts import OUTCOMES
from scenarios.families.lan_spread.downloads import Download, archive_chunks
from scenarios.families.lan_spread.games import File, catalog_version, made_game, served_size
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, local_row
from scenarios.families.lan_spread.specs import peer

LIMIT_MIB = 60
ANSWERS_WITHIN_S = 2.0
INSTALL_EVENTS = ("install-begin", "install-finished", "install-failed")


@scenario(
    "S24",
    name="Two clients, one source",
    proves="Both download alienswarm concurrently: both finish, with the source's files; the "
    "source serves both at the same time, within its limit, and answers commands throughout",
)
def two_clients_one_source(lan: Lan) -> None:
    # 240 MiB in total: 4 s, during which the source is polled.
    source, first, second = lan.start(
        peer("source", "fixture-alpha", upload_limit=f"{LIMIT_MIB}MiB"),
        peer("first"),
        peer("second"),
    )
    first.connect(source)
    second.connect(source)
    downloads = [client.download("alienswarm", install=False) for client in (first, second)]
    for download in downloads:
        download.begun()
    answers = answers_throughout(lan, source, downloads[0])
    for download in downloads:
        download.finished()
    firsts = [first_bytes_at(download) for download in downloads]
    archives = [chunk.line.at for download in downloads for chunk in archive_chunks(download)]
    lan.check.true(
        "both had received bytes before either had the archive", max(firsts) < min(archives)
    )
    outbound = [answer for answer, _ in answers]
    lan.check.contains("what the source serves at some moment", outbound, {"alienswarm": 2})
    # Any download gives three answers: at its first progress, its last, and its end.
    lan.check.true("the source was asked during the transfers", len(outbound) > 4)
    for client, download in zip((first, second), downloads, strict=True):
        lan.check.equal(f"who served {client}", download.served_by(lan.peers), {"source"})
        lan.check.equal(
            f"the games of {client}", client.local(), [local_row(client.root("alienswarm"))]
        )
        lan.same_game("alienswarm", client, source)
    rate = rate_of_all(downloads)
    lan.check.between("MiB/s of both together, against the limit", rate, 1, 1.1 * LIMIT_MIB)
    slowest = max(took for _, took in answers)
    lan.evidence(
        f"both at {rate:.1f} MiB/s together, of {LIMIT_MIB} allowed; the source answered "
        f"{len(answers)} times meanwhile, in {slowest * 1000:.0f} ms at most"
    )


@scenario(
    "S25",
    name="Two downloads, one client",
    proves="bfbc2 and cnctw concurrently: at some moment both are active; both finish, "
    "neither is installed; the files are the source's",
)
def two_downloads_one_client(lan: Lan) -> None:
    # So slow that neither can finish before both have begun; then the limit is removed.
    bravo, client = lan.start(peer("bravo", "fixture-bravo", upload_limit="4KiB"), peer("client"))
    client.connect(bravo)
    game_ids = ("bfbc2", "cnctw")
    downloads = [client.download(game_id, install=False) for game_id in game_ids]
    both = [{"game_id": game_id, "operation": "Downloading"} for game_id in game_ids]
    downloads[0].window.wait_event(
        "active-operations-changed", active_operations=both, what="both are active together"
    )
    lan.check.equal("operations in status, with both active", client.operations(), both)
    begins = [download.begun().line.index for download in downloads]
    bravo.node.request("set-limits", upload=None, download=None)
    ends = [download.finished().line.index for download in downloads]
    lan.check.true("both had begun before either was finished", max(begins) < min(ends))
    lan.check.equal("operations afterwards", client.operations(), [])
    lan.check.equal(
        "the client's games", client.local(), [local_row(client.root(one)) for one in game_ids]
    )
    client.shutdown()
    for name in INSTALL_EVENTS:
        downloads[0].window.none_of(name, what=f"no {name}")
    for download in downloads:
        lan.check.true(
            f"no local/ of {download.game_id}",
            not (client.root(download.game_id) / "local").exists(),
        )
        lan.same_game(download.game_id, client, bravo)
    lan.evidence("; ".join(download.told() for download in downloads))


@scenario(
    "S26",
    name="Duplicate download refused",
    proves="A second `download` of a game while it is `Downloading` is an error; the first one "
    "finishes once, with the source's files",
)
def duplicate_download_refused(lan: Lan) -> None:
    alpha, client = lan.start(peer("alpha", "fixture-alpha", upload_limit="60MiB"), peer("client"))
    client.connect(alpha)
    download = client.download("alienswarm", install=False)
    active = [{"game_id": "alienswarm", "operation": "Downloading"}]
    lan.check.equal("operations right behind the command", client.operations(), active)
    codes = [refused_again(client)]
    download.begun()
    codes.append(refused_again(client))
    lan.check.equal("operations after the refusals", client.operations(), active)
    download.finished()
    lan.check.equal("who served", download.served_by(lan.peers), {"alpha"})
    lan.check.equal("the client's games", client.local(), [local_row(client.root("alienswarm"))])
    client.shutdown()
    seen = Counter(event.name for event in download.events())
    told = ("got-game-files", "download-begin", *OUTCOMES)
    lan.check.equal(
        "how often each event of the download came",
        {name: seen[name] for name in told if seen[name]},
        {"got-game-files": 1, "download-begin": 1, "download-finished": 1},
    )
    lan.same_game("alienswarm", client, alpha)
    lan.evidence(f"refused twice ({', '.join(codes)}); {download.told()}")


@scenario(
    "S34",
    name="Many small files",
    proves="20 files and `version.ini`: exactly 21 chunk events for 21 distinct paths; the "
    "files are the source's",
)
def many_small_files(lan: Lan) -> None:
    files = small_files()
    source, client = lan.start(
        peer("source", [*files, File("coh/version.ini", catalog_version("coh").encode())]),
        peer("client"),
    )
    client.connect(source)
    download = client.download("coh", install=False)
    download.finished()
    want = sorted([*(file.path for file in files), "coh/version.ini"])
    lan.check.given("the game has 21 files", len(want) == 21)
    lan.check.equal("paths of the chunks", sorted(one.path for one in download.chunks()), want)
    lan.check.equal(
        "offset and length of each chunk",
        {one.path: (one.offset, one.length) for one in download.chunks()},
        {path: (0, (source.games / path).stat().st_size) for path in want},
    )
    lan.check.equal("chunks in throughput", download.figures().get("chunks"), 21)
    [manifest] = download.events("got-game-files")
    lan.check.equal(
        "paths of the manifest",
        sorted(row["relative_path"] for row in manifest.data["file_descriptions"]),
        want,
    )
    lan.same_game("coh", client, source)
    lan.evidence(f"{download.told()}, one of them of an empty file")


@scenario(
    "S37",
    name="Throughput",
    proves="A bf1942 of 2 GiB from one source, with no other load: the bytes are those of the "
    "archive and `version.ini`; the rates are positive and agree with bytes and duration "
    "within 2 %; size and hash are right",
    measures=True,
    timeout_s=300,
)
def throughput(lan: Lan) -> None:
    source, client = lan.start(
        peer("source", [made_game("bf1942", 2 << 30, "S37")]), peer("client")
    )
    client.connect(source)
    download = client.download("bf1942", install=False)
    begin = download.begun()
    download.finished(timeout=120)
    figures = download.figures()
    size, seconds = figures["bytes"], figures["duration_ms"] / 1000
    lan.check.equal("bytes", size, served_size(source.root("bf1942")))
    lan.check.equal("bytes of archive and version.ini", size, (2 << 30) + len("20160130\n"))
    lan.check.equal("chunks", figures["chunks"], 17)
    lan.check.true("the duration is positive", seconds > 0)
    near(lan, "MiB/s against bytes and duration", figures["mib_per_s"], size / 2**20 / seconds)
    near(lan, "Mbit/s against bytes and duration", figures["mbit_per_s"], size * 8e-6 / seconds)
    near(lan, "Mbit/s against MiB/s", figures["mbit_per_s"], figures["mib_per_s"] * 8 * 1.048576)
    # The figures agree with each other; compare them with the peer's timestamps too.
    stamps = [chunk.stamp for chunk in download.chunks()]
    near(lan, "duration against the events", seconds, max(stamps) - stamp_of(begin))
    lan.check.equal("the client's games", client.local(), [local_row(client.root("bf1942"))])
    lan.same_game("bf1942", client, source)
    lan.evidence(
        f"{figures['mib_per_s']:.0f} MiB/s, {figures['mbit_per_s']:.0f} Mbit/s: {size} bytes in "
        f"{figures['duration_ms']:.0f} ms"
    )


def answers_throughout(
    lan: Lan, source: Peer, download: Download
) -> list[tuple[dict[str, int], float]]:
    """Query a source's status at every progress event of a download until its end.

    Return its outbound transfers each time, and how many seconds the reply took.
    """
    answers = []
    window = download.window
    ended = False
    while not ended:
        event = window.wait_event(
            "download-progress",
            *OUTCOMES,
            game_id=download.game_id,
            what=f"progress of {download.node}",
        )
        window = window.since(event)
        ended = event.name != "download-progress"
        asked = lan.now()
        status = source.node.request("status", timeout=ANSWERS_WITHIN_S)
        answers.append((status["active_outbound_transfers"], lan.now() - asked))
    return answers


def first_bytes_at(download: Download) -> float:
    """Return when a finished download reported its first bytes."""
    return next(
        event.at
        for event in download.events("download-progress", "download-finished")
        if event.name == "download-finished" or event.data["downloaded_bytes"] > 0
    )


def rate_of_all(downloads: Sequence[Download]) -> float:
    """Return the combined MiB/s of downloads, from the first begin to the last verified byte."""
    chunks = [chunk for download in downloads for chunk in download.chunks()]
    began = min(stamp_of(download.begun()) for download in downloads)
    seconds = max(chunk.stamp for chunk in chunks) - began
    return sum(chunk.length for chunk in chunks) / 2**20 / seconds


def refused_again(client: Peer) -> str:
    """Check that a second download of the running alienswarm is refused; return the code."""
    words = "operation already in progress for alienswarm"
    return client.refuses("download", words, game_id="alienswarm").code


def near(lan: Lan, what: str, got: float, want: float) -> None:
    """Check that two figures are positive and differ by 2 % at most."""
    lan.check.true(f"{what}: positive", got > 0 and want > 0, f"got {got} and {want}")
    lan.check.between(what, got / want, 0.98, 1.02)


def stamp_of(event: Event) -> float:
    """Return an event's timestamp by the peer's clock, in Unix seconds."""
    return float((event.line.message or {})["ts"])


def small_files() -> list[File]:
    """Return 20 files in several folders with distinct contents, one of them empty."""
    folders = ("", "data/", "data/maps/", "Sound/")
    return [
        File(
            f"coh/{folders[number % 4]}file-{number:02}.dat",
            Random(number).randbytes(number * 1000),  # noqa: S311 - data, not a secret
        )
        for number in range(20)
    ]
