"""Starts a program with a folder on an odd disk: a FUSE file system over that folder.

    python odd_disk.py KIND FOLDER COMMAND...

`folds` takes names for one that differ only in case or Unicode normal form, and keeps the form in
which a name was created, as Windows and macOS do. The others behave so from the moment on that
there is a file `.now` in the folder (which nobody sees): `fails:NAME` fails with EIO when a file of
this name is read; `stops:N` stands still before the N-th change of a name, and says so on stderr
(databases, `*.db` and what is beside them, do not count: they have a journal of their own).

Mounts in the mount namespace that it is started in, and then becomes the program; the disk is gone
when that ends. Imports nothing from this project, and needs mfusepy and libfuse 3.
"""

import ctypes
import errno
import os
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mfusepy

PR_SET_PDEATHSIG = 1
CONTROL = ".now"
STATFS = (
    *("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail"),
    *("f_files", "f_ffree", "f_favail", "f_namemax"),
)


class OddDisk(mfusepy.Operations):  # type: ignore[misc]
    """Passes everything on to the folder below; `path` is where each subclass differs."""

    use_ns = True

    def __init__(self, root: int, ready: int) -> None:
        """``root`` is the open folder; ``ready`` is closed once the disk is mounted."""
        self.below = Path(f"/proc/self/fd/{root}")
        self._ready = ready

    def path(self, path: str) -> Path:
        """Return where a path is below."""
        return self.below / path.removeprefix("/")

    def change(self, what: str, path: str) -> None:
        """Take note that a name is about to change."""

    def is_now(self) -> bool:
        """Tell whether to behave oddly."""
        return (self.below / CONTROL).exists()

    def init(self, path: str) -> None:
        """Tell that it is mounted."""
        os.close(self._ready)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """lstat(2), or fstat(2)."""
        # The root is a link to follow, in /proc/self/fd.
        below = self.path(path)
        found = below.stat(follow_symlinks=path == "/") if fh is None else os.fstat(fh)
        times = {f"st_{kind}time": getattr(found, f"st_{kind}time_ns") for kind in "amc"}
        names = ("mode", "nlink", "uid", "gid", "size", "blocks", "ino", "dev")
        return {**{f"st_{name}": getattr(found, f"st_{name}") for name in names}, **times}

    def readdir(self, path: str, fh: int) -> Iterator[str]:
        """List names."""
        yield from (".", "..")
        yield from (file.name for file in self.path(path).iterdir() if file.name != CONTROL)

    def readlink(self, path: str) -> str:
        """readlink(2)."""
        return str(self.path(path).readlink())

    def mkdir(self, path: str, mode: int) -> int:
        """mkdir(2)."""
        self.change("mkdir", path)
        self.path(path).mkdir(mode)
        return 0

    def rmdir(self, path: str) -> int:
        """rmdir(2)."""
        self.change("rmdir", path)
        self.path(path).rmdir()
        return 0

    def unlink(self, path: str) -> int:
        """unlink(2)."""
        self.change("unlink", path)
        self.path(path).unlink()
        return 0

    def symlink(self, target: str, source: str) -> int:
        """symlink(2); fusepy calls the new name `target`."""
        self.path(target).symlink_to(source)
        return 0

    def link(self, target: str, source: str) -> int:
        """link(2); here too the new name is `target`."""
        self.change("link", target)
        self.path(target).hardlink_to(self.path(source))
        return 0

    def rename(self, old: str, new: str) -> int:
        """rename(2)."""
        self.change("rename", old)
        self.path(old).rename(self.path(new))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """chmod(2)."""
        self.path(path).chmod(mode)
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """truncate(2)."""
        os.truncate(self.path(path) if fh is None else fh, length)
        return 0

    def utimens(self, path: str, times: tuple[int, int]) -> int:
        """utimensat(2); ``times`` in ns."""
        os.utime(self.path(path), ns=times, follow_symlinks=False)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        """statvfs(3)."""
        found = os.statvfs(self.below)
        return {name: getattr(found, name) for name in STATFS}

    def open(self, path: str, flags: int) -> int:
        """open(2)."""
        return os.open(self.path(path), flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        """open(2) of a new file."""
        self.change("create", path)
        return os.open(self.path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """pread(2)."""
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """pwrite(2)."""
        return os.pwrite(fh, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """fsync(2)."""
        os.fsync(fh)
        return 0

    def release(self, path: str, fh: int) -> int:
        """close(2)."""
        os.close(fh)
        return 0


class FoldingDisk(OddDisk):
    """Finds a name also by another case or another normal form of it."""

    def path(self, path: str) -> Path:
        """Return the path below of what is there, or of what may be created."""
        found = self.below
        for name in path.split("/")[1:]:
            try:
                alike = [each for each in found.iterdir() if folded(each.name) == folded(name)]
            except (FileNotFoundError, NotADirectoryError):
                alike = []
            found = alike[0] if alike else found / name
        return found


class FailingDisk(OddDisk):
    """Fails to read one file."""

    def __init__(self, root: int, ready: int, name: str) -> None:
        super().__init__(root, ready)
        self._name = name

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """pread(2), or EIO."""
        if path.endswith(f"/{self._name}") and self.is_now():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(path, size, offset, fh)


class StoppingDisk(OddDisk):
    """Stands still before one change of a name: whoever asked for it can only be killed."""

    def __init__(self, root: int, ready: int, step: int) -> None:
        super().__init__(root, ready)
        self._left = step

    def change(self, what: str, path: str) -> None:
        """Count it, or never return."""
        if ".db" not in path and self.is_now():
            self._left -= 1
            if not self._left:
                print(f"odd_disk: stopped before {what} {path}", file=sys.stderr, flush=True)
                while True:
                    signal.pause()


def folded(name: str) -> str:
    """Return what is equal for names that this disk takes for one."""
    return unicodedata.normalize("NFKC", name).casefold()


def serve(kind: str, folder: str, ready: int) -> None:
    """Be the disk until it is unmounted or the program has ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # the program's own
        os.dup2(nothing, stream)
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    what, _, name = kind.partition(":")
    kinds: dict[str, Callable[[], OddDisk]] = {
        "folds": lambda: FoldingDisk(root, ready),
        "fails": lambda: FailingDisk(root, ready, name),
        "stops": lambda: StoppingDisk(root, ready, int(name)),
    }
    disk = kinds[what]()
    mfusepy.FUSE(disk, folder, foreground=True, nothreads=True, default_permissions=True)


def main(kind: str, folder: str, command: list[str]) -> None:
    """Mount, and become the command."""
    mounted, ready = os.pipe()
    if os.fork() == 0:
        os.close(mounted)
        serve(kind, folder, ready)
        os._exit(0)
    os.close(ready)
    os.read(mounted, 1)  # EOF, once it is mounted or has failed
    os.close(mounted)
    if not os.path.ismount(folder):
        sys.exit(f"odd_disk: {folder} could not be mounted")
    os.execvp(command[0], command)  # noqa: S606 - a node like any other from here on


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
