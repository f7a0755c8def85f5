"""The mounts of a peer: the commands, the events, and the list that outlives a crash."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from headless.envelope import CommandError
from headless.program import Emit
from pair_cli.files.fetch import Fetcher
from pair_cli.files.folder import SharedFolder
from pair_cli.messages import Mounted, MountFailed, Unmounted
from pair_cli.mount.cache import BlockCache
from pair_cli.mount.mounting import (
    MountError,
    check_mountable,
    force_unmount,
    release_left_over,
    unmount,
)
from pair_cli.mount.open_files import OpenFiles
from store.durable import replace_file

if TYPE_CHECKING:
    from pair_cli.mount.fuse import MountThread

_END_S = 2.0


class Mounts:
    """All mounts of a peer, on the event loop. They share open files and cache."""

    def __init__(
        self, folder: SharedFolder, fetcher: Fetcher, cache_bytes: int, state: Path, emit: Emit
    ) -> None:
        self._folder = folder
        self._cache = BlockCache(fetcher, cache_bytes)
        self._files = OpenFiles(folder, self._cache)
        self._list = state / "mounts.json"
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._mounted: dict[Path, MountThread] = {}

    def paths(self) -> list[str]:
        """Return where the tree is mounted."""
        return sorted(map(str, self._mounted))

    async def start(self) -> None:
        """Release what a crash left mounted."""
        await asyncio.to_thread(self._release_left_overs)

    async def mount(self, text: str) -> Path:
        """Mount the tree on a folder. Raises CommandError."""
        path = _absolute(text)
        try:
            if path in self._mounted:
                raise MountError(
                    "already-mounted", f"The tree is mounted on {path} already (EBUSY).", "EBUSY"
                )
            await asyncio.to_thread(check_mountable, path, self._folder.folder)
            thread = self._thread(path)
            self._mounted[path] = thread
            self._write_list()
            if not await asyncio.to_thread(thread.start, self._on_end(path, thread)):
                raise MountError(
                    "mount-failed", f"libfuse cannot mount on {path}; stderr says why (EIO).", "EIO"
                )
        except MountError as error:
            self._emit(
                MountFailed(path=str(path), code=error.code, reason=str(error), errno=error.errno)
            )
            raise CommandError(error.code, str(error), error.errno) from error
        self._emit(Mounted(path=str(path)))
        return path

    async def unmount(self, text: str | None, *, lazy: bool) -> Path:
        """Unmount a tree, by default the only one. Raises CommandError."""
        if text is None and len(self._mounted) == 1:
            path = next(iter(self._mounted))
        elif text is None:
            raise CommandError(
                "not-mounted" if not self._mounted else "bad-argument",
                f"{len(self._mounted)} trees are mounted; say which `path`.",
            )
        else:
            path = _absolute(text)
        thread = self._mounted.get(path)
        if thread is None:
            raise CommandError("not-mounted", f"No tree is mounted on {path} (EINVAL).", "EINVAL")
        try:
            await asyncio.to_thread(unmount, path, lazy=lazy)
        except MountError as error:
            raise CommandError(error.code, str(error), error.errno) from error
        if not lazy:
            await asyncio.to_thread(thread.ended, _END_S)
        self._forget(path, thread)
        return path

    async def stop(self) -> None:
        """Unmount everything; whoever still uses a tree gets errors."""
        self._cache.close()
        for path, thread in list(self._mounted.items()):
            await asyncio.to_thread(_end, path, thread)
            self._forget(path, thread)

    def _thread(self, path: Path) -> "MountThread":
        try:
            from pair_cli.mount.fuse import MountThread
        except (ImportError, OSError) as error:  # no mfusepy, or no libfuse that it can load
            raise MountError(
                "mount-unsupported",
                f"Mounting needs pair-cli[mount] and libfuse3 (fuse3 on Debian): {error} (ENOSYS).",
                "ENOSYS",
            ) from error
        return MountThread(self._folder, self._files, path)

    def _on_end(self, path: Path, thread: "MountThread") -> Callable[[], None]:
        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._forget, path, thread)

        return tell

    def _forget(self, path: Path, thread: "MountThread") -> None:
        """A tree is no longer mounted, whoever unmounted it."""
        if self._mounted.get(path) is thread:
            del self._mounted[path]
            self._write_list()
            if thread.ready.is_set():
                self._emit(Unmounted(path=str(path)))

    def _write_list(self) -> None:
        content = msgspec.json.encode([os.fsencode(path) for path in self._mounted])
        # Not durable: a mount does not survive a power cut either.
        replace_file(self._list, content, self._list.with_suffix(".new"), durable=False)

    def _release_left_overs(self) -> None:
        try:
            paths = msgspec.json.decode(self._list.read_bytes(), type=list[bytes])
        except (FileNotFoundError, msgspec.DecodeError):
            return
        for path in paths:
            place = Path(os.fsdecode(path))
            try:
                if release_left_over(place):
                    print(f"Released the mount on {place}, left by a crash.", file=sys.stderr)
            except MountError as error:
                print(str(error), file=sys.stderr)
        self._write_list()


def _end(path: Path, thread: "MountThread") -> None:
    try:
        unmount(path, lazy=False)
    except MountError:
        force_unmount(path)
    thread.ended(_END_S)


def _absolute(text: str) -> Path:
    if not text or "\0" in text:
        raise CommandError("bad-argument", "`path` must be the path of a folder.")
    return Path(os.path.abspath(text))  # noqa: PTH100 - resolving would ask a dead mount
