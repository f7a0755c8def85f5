"""The ways to get a game from one host to another: what serves it, what fetches it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

PORT = 7000
FILE = "bf1942.eti"
GAME = "bf1942"
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's packages for Python are for this one
OWNERLESS = ("--archive", "--no-owner", "--no-group")  # nodes may not give files away
# Started by root, rsync's daemon gives up groups, which needs a right that nodes lack. In a user
# namespace that maps nobody it sees another user; what root may read it can read all the same.
NOT_ROOT = '$([ "$(id -u)" != 0 ] || echo unshare --user)'


@dataclass(frozen=True, slots=True)
class Place:
    """What commands need to know of a host: its IP, its folders and programs as it sees them."""

    ip: str
    games: str  # with GAME/FILE
    scratch: str  # writable
    shared: str  # writable, the same for all hosts
    code: str  # the folder of this package
    python: str
    catalog: str

    @property
    def file(self) -> str:
        """The file that is served."""
        return f"{self.games}/{GAME}/{FILE}"

    def script(self, name: str, *arguments: str, python: str = "") -> list[str]:
        """Return the command of a script of this package."""
        return [python or self.python, f"{self.code}/{name}", *arguments]

    def peer(self, name: str, port: int, *flags: str) -> list[str]:
        """Return the command of a peer with the games."""
        return [
            self.python, "-P", "-m", "peer_cli", "--name", name, "--catalog-db", self.catalog,
            "--listen", f"{self.ip}:{port}", "--state-dir", f"{self.scratch}/state-{name}",
            *flags,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """One way. ``fetch`` writes below the target's scratch folder ``got``.

    Without ``fetch_all``, only the one large file can be had.
    """

    name: str
    serve: Callable[[Place], list[str]]
    fetch: Callable[[Place, tuple[Place, ...]], list[str]]
    needs: tuple[str, ...] = ()  # shell commands that succeed where it can run
    sources: int = 1
    note: str = ""
    fetch_all: Callable[[Place, tuple[Place, ...]], list[str]] | None = None


def bare(name: str, *flags: str, note: str = "") -> Way:
    """Return a bare pair of sockets."""
    return Way(
        name,
        lambda host: host.script("bare_pair.py", "serve", host.ip, str(PORT), host.file),
        lambda target, sources: target.script(
            "bare_pair.py", "fetch", sources[0].ip, str(PORT), f"{target.scratch}/got/{FILE}",
            *flags,
        ),
        note=note,
    )  # fmt: skip


def ours(name: str, sources: int = 1, *flags: str, note: str = "") -> Way:
    """Return downloads by peers."""

    def fetch(target: Place, others: tuple[Place, ...]) -> list[str]:
        return target.script(
            "one_download.py", GAME, ",".join(f"{host.ip}:{PORT}" for host in others),
            *target.peer("target", PORT + 1, "--games-dir", f"{target.scratch}/got", *flags),
        )  # fmt: skip

    return Way(
        name,
        lambda host: host.peer("source", PORT, "--games-dir", host.games, "--read-only", *flags),
        fetch,
        sources=sources,
        note=note,
        fetch_all=fetch,
    )


def configured(file: str, settings: str, command: str) -> list[str]:
    """Return a command that writes a settings file first."""
    return ["sh", "-c", f"printf '%s' '{settings}' > {file} && exec {command}"]


def nginx(host: Place) -> list[str]:
    """Return nginx with sendfile, as its manual has it for large files."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {host.scratch}/{kind}; " for kind in kinds)
    settings = (
        f"daemon off; user root; pid {host.scratch}/nginx.pid; error_log stderr crit; "
        "worker_processes 1; "
        "events { worker_connections 64; } "
        f"http {{ access_log off; sendfile on; tcp_nopush on; {temporary} "
        f"server {{ listen {host.ip}:{PORT}; root {host.games}/{GAME}; }} }}"
    )
    file = f"{host.scratch}/nginx.conf"
    return configured(file, settings, f"nginx -p {host.scratch} -c {file}")


def rsync(target: Place, sources: tuple[Place, ...], what: str, *flags: str) -> list[str]:
    """Return the fetching from an rsync daemon."""
    url = f"rsync://{sources[0].ip}:{PORT}/games/{what}"
    return ["rsync", "--whole-file", "--inplace", *flags, url, f"{target.scratch}/got/{what}"]


def syncthing(target: Place, sources: tuple[Place, ...]) -> list[str]:
    """Return the fetching by Syncthing."""
    return target.script(
        "syncthing.py", "fetch", target.ip, str(PORT + 1), f"{target.scratch}/got",
        target.scratch, sources[0].ip, str(PORT),
    )  # fmt: skip


def rsync_daemon(host: Place) -> list[str]:
    """Return an rsync daemon."""
    file = f"{host.scratch}/rsyncd.conf"
    settings = f"[games]\npath = {host.games}/{GAME}\nuse chroot = no\n"
    daemon = (
        f"{NOT_ROOT} rsync --daemon --no-detach --address={host.ip} --port={PORT} --config={file}"
    )
    return configured(file, settings, daemon)


def by_rsync(name: str, *flags: str, note: str = "") -> Way:
    """Return the way from an rsync daemon."""
    return Way(
        name,
        rsync_daemon,
        lambda target, sources: rsync(target, sources, FILE, *flags),
        needs=("command -v rsync", f"{NOT_ROOT} true"),
        fetch_all=lambda target, sources: rsync(target, sources, "", *OWNERLESS, *flags),
        note=note,
    )


WAYS = (
    bare("bare pair", note="splice only: nothing is checked"),
    bare("floor", "--check", note="bare pair with BLAKE3 of every 4 MiB: nothing is durable"),
    bare("floor, durable", "--check", "--sync", note="the same, followed by fsync"),
    ours("peer", note="every block verified, everything durable"),
    ours("peer, two sources", 2, note="the same from two sources at once"),
    ours("peer, encrypted", 1, "--encrypt-data", note="the same with AES-256-GCM"),
    Way(
        "iperf3",
        lambda host: ["iperf3", "--server", "--bind", host.ip, "--port", str(PORT)],
        lambda target, sources: [
            "iperf3", "--client", sources[0].ip, "--port", str(PORT), "--reverse", "--zerocopy",
            "--bytes", "{bytes}",
        ],
        needs=("command -v iperf3",),
        note="memory to memory: no file is written",
    ),
    Way(
        "curl from nginx",
        nginx,
        lambda target, sources: [
            "curl", "--silent", "--fail", "--output", f"{target.scratch}/got/{FILE}",
            f"http://{sources[0].ip}:{PORT}/{FILE}",
        ],
        needs=("command -v nginx", "command -v curl"),
    ),
    Way(
        "aria2, 4 connections",
        nginx,
        lambda target, sources: [
            "aria2c", "--quiet", "--split=4", "--max-connection-per-server=4",
            "--min-split-size=1M", "--file-allocation=none", "--dir", f"{target.scratch}/got",
            f"http://{sources[0].ip}:{PORT}/{FILE}",
        ],
        needs=("command -v nginx", "command -v aria2c"),
    ),
    by_rsync("rsync daemon"),
    by_rsync("rsync daemon, durable", "--fsync", note="each file synced after it is written"),
    Way(
        "libtorrent",
        lambda host: host.script(
            "torrent.py", "seed", host.ip, str(PORT), host.file,
            f"{host.shared}/{host.ip}.torrent", python=SYSTEM_PYTHON,
        ),
        lambda target, sources: target.script(
            "torrent.py", "fetch", target.ip, str(PORT + 1), f"{target.scratch}/got",
            f"{target.shared}/{sources[0].ip}.torrent", sources[0].ip, str(PORT),
            python=SYSTEM_PYTHON,
        ),
        needs=(f"{SYSTEM_PYTHON} -c 'import libtorrent'",),
        note="as its manual advises for fast seeding; SHA-1 per 4 MiB",
    ),
    Way(
        "syncthing",
        lambda host: host.script(
            "syncthing.py", "serve", host.ip, str(PORT), f"{host.games}/{GAME}", host.scratch
        ),
        syncthing,
        fetch_all=syncthing,
        needs=("command -v syncthing",),
        note="its time begins when both are connected; encrypted, SHA-256 of blocks, durable",
    ),
)  # fmt: skip
