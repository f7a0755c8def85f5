"""What the folder synchroniser is measured beside: Syncthing, Unison, an rsync daemon.

Each is there or raises NotHere; then it is two folders, and what carries changes from one over.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare import syncthing as rest
from benchmarks.foreign import free_port, listening, program, quiet, run

HOST = "127.0.0.1"
SYNCTHING, UNISON, RSYNC = "syncthing", "unison", "rsync daemon"
DURABLE_RSYNC = f"{RSYNC}, --fsync"


@dataclass(frozen=True, slots=True)
class Side:
    """Two folders. ``carry`` has changes of the source seen; it may return before they are over."""

    source: Path
    target: Path
    carry: Callable[[], None]


Other = Callable[[ExitStack, Path], Side]


def syncthing(stack: ExitStack, folder: Path) -> Side:
    """Start two that know each other, with their watchers and default delays."""
    program("syncthing")
    source, target = two_folders(folder)
    ends = []
    for name in ("one", "other"):
        (folder / name).mkdir()
        instance, process = rest.start(HOST, free_port(), str(folder / name))
        stack.callback(process.wait)
        stack.callback(process.kill)
        ends.append(instance)
    one, other = ends
    devices = [one.device, other.device]
    one.meet(other, devices[1])
    other.meet(one, devices[0])
    for end, shared in zip(ends, (source, target), strict=True):
        end.share(str(shared), "sendreceive", ".", devices, watched=True)
    one.until("system/connections", holds=lambda told: told["connections"][devices[1]]["connected"])
    return Side(source, target, lambda: one.ask(f"db/scan?folder={rest.SHARE}", {}))


def unison(stack: ExitStack, folder: Path) -> Side:
    """Start Unison's server for one of them; the other is a run each time."""
    path = program("unison")
    source, target = two_folders(folder)
    port = free_port()
    home = ("env", f"UNISON={folder / 'archives'}")
    run(stack, *home, path, "-socket", str(port), "-listen", HOST)
    listening(port)
    ask = (*home, path, str(source), f"socket://{HOST}:{port}/{target}", "-batch", "-silent")
    never = ("-auto", "-confirmbigdel=false", "-times")
    quiet(*ask, *never)
    return Side(source, target, lambda: quiet(*ask, *never))


def rsync(stack: ExitStack, folder: Path, *options: str) -> Side:
    """Start a daemon that takes what a run each time sends, with these options."""
    path = program("rsync")
    source, target = two_folders(folder)
    port, config = free_port(), folder / "rsyncd.conf"
    config.write_text(
        f"[target]\npath = {target}\nuse chroot = no\nread only = no\nuid = 0\ngid = 0\n"
    )
    run(stack, path, "--daemon", "--no-detach", f"--address={HOST}", f"--port={port}",
        f"--config={config}")  # fmt: skip
    listening(port)
    to = f"rsync://{HOST}:{port}/target/"
    return Side(source, target, lambda: quiet(path, "-a", "--delete", *options, f"{source}/", to))


def durable_rsync(stack: ExitStack, folder: Path) -> Side:
    """Start one that has each file on the disk before the run ends, as ours does."""
    return rsync(stack, folder, "--fsync")


def two_folders(folder: Path) -> tuple[Path, Path]:
    """Make both."""
    made = folder / "source" / "folder", folder / "target" / "folder"
    for each in made:
        each.mkdir(parents=True)
    return made


OTHERS: dict[str, Other] = {
    SYNCTHING: syncthing,
    UNISON: unison,
    RSYNC: rsync,
    DURABLE_RSYNC: durable_rsync,
}
