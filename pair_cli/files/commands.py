"""The commands about files, from arguments to replies."""

import asyncio
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headless.envelope import Command, CommandError, Value
from network.limits import parse_rate
from pair_cli import messages
from pair_cli.files.folder import SharedFolder
from pair_cli.files.names import disk_path, relative_to_folder
from pair_cli.files.pulls import PullActive, Pulls
from pair_cli.files.target import NameClash
from pair_cli.files.tree import Entry, Tree
from pair_cli.messages import FileRow, Side
from store.names import UnsafeName

MAX_WAIT_MS = 24 * 3600 * 1000


class FileCommands:
    """Runs add, list, wait-file, pull, cancel, discard, remove and rename."""

    def __init__(
        self, folder: SharedFolder, pulls: Pulls, *, strict_add: bool, overwrite: bool
    ) -> None:
        self._folder = folder
        self._tree: Tree = folder.tree
        self._pulls = pulls
        self._strict_add = strict_add
        self._overwrite = overwrite
        self._news = asyncio.Event()

    def tree_changed(self) -> None:
        """Something is new in the tree: let waiting commands look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def handle(self, command: Command) -> Value:
        """Run a command. Raises CommandError."""
        with _told_to_the_user():
            match command:
                case messages.Add():
                    return await self._add(command)
                case messages.List():
                    return await asyncio.to_thread(self._list, command.side)
                case messages.WaitFile():
                    return await self._wait_file(command)
                case messages.Pull():
                    return await self._pull(command)
                case messages.Cancel():
                    return await self._cancel(command.path)
                case messages.Discard():
                    return await self._discard(command.path)
                case messages.Remove():
                    removed = await asyncio.to_thread(self._folder.remove, self._name(command.path))
                    return messages.RemoveResult(removed=removed)
                case messages.Rename():
                    path, to = self._name(command.path), self._name(command.to)
                    await asyncio.to_thread(self._folder.rename, path, to)
                    return messages.RenameResult(path=path, to=to)
                case _:
                    raise CommandError("unknown-command", f"{command.cmd} is not about files.")

    async def _add(self, command: messages.Add) -> Value:
        strict = self._strict_add if command.strict is None else command.strict
        path = "" if self._is_whole_folder(command.path) else self._name(command.path)
        done = await asyncio.to_thread(self._folder.add, path, strict=strict)
        return messages.AddResult(
            added=done.added, changed=done.changed, unchanged=done.unchanged, refused=done.refused
        )

    def _list(self, side: Side) -> Value:
        entries = [entry for entry in self._tree.below("") if _is_on(entry, side)]
        return messages.ListResult(
            files=[_row(entry) for entry in entries if not entry.folder],
            folders=[entry.path for entry in entries if entry.folder],
        )

    async def _wait_file(self, command: messages.WaitFile) -> Value:
        path = self._name(command.path)
        if not 0 <= command.timeout_ms <= MAX_WAIT_MS:
            raise CommandError("bad-argument", f"timeout_ms must be from 0 to {MAX_WAIT_MS}.")
        try:
            async with asyncio.timeout(command.timeout_ms / 1000):
                while True:
                    news = self._news
                    entry = self._tree.get(path)
                    if entry is not None and not entry.folder and _is_on(entry, command.side):
                        return messages.WaitFileResult(file=_row(entry))
                    await news.wait()
        except TimeoutError:
            raise CommandError(
                "timeout", f"{path} was not shared within {command.timeout_ms} ms.", "ETIMEDOUT"
            ) from None

    async def _pull(self, command: messages.Pull) -> Value:
        path = self._name(command.path)
        entry = self._tree.get(path)
        if entry is None and not self._tree.is_folder(path):
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", path)
        if entry is None or entry.folder:
            raise IsADirectoryError(errno.EISDIR, "is a directory; pull its files", path)
        if entry.mine:
            raise CommandError(
                "already-local", f"{path} is this peer's own file; there is nothing to pull.",
                "EEXIST",
            )  # fmt: skip
        target = await asyncio.to_thread(self._target, path if command.to is None else command.to)
        overwrite = self._overwrite if command.overwrite is None else command.overwrite
        try:
            await self._pulls.begin(entry, target, overwrite=overwrite)
        except PullActive as error:
            raise CommandError(
                "pull-active",
                f"{path} is being pulled to {error}; cancel that first (EALREADY).",
                "EALREADY",
            ) from None
        return messages.PullResult(path=path, to=str(target), total_bytes=entry.size)

    def _target(self, to: str) -> Path:
        target = Path(to)
        if not target.is_absolute():
            return disk_path(self._folder.folder, relative_to_folder(self._folder.folder, to))
        if "\0" in to or target.name in ("", ".."):
            raise UnsafeName(f"{to!r} is not the path of a file.")
        return Path(os.path.realpath(target.parent), target.name)

    async def _cancel(self, path: str) -> Value:
        kept = await self._pulls.cancel(self._name(path))
        return messages.CancelResult(path=path, kept_bytes=_there(kept, path))

    async def _discard(self, path: str) -> Value:
        count = await self._pulls.discard(self._name(path))
        return messages.DiscardResult(path=path, discarded_bytes=_there(count, path))

    def _name(self, path: str) -> str:
        return relative_to_folder(self._folder.folder, path)

    def _is_whole_folder(self, path: str) -> bool:
        return path in (".", "./") or (
            path.startswith("/") and os.path.realpath(path) == os.path.realpath(self._folder.folder)
        )


def _there(count: int | None, path: str) -> int:
    if count is None:
        raise CommandError("no-such-pull", f"{path} is not being pulled (ENOENT).", "ENOENT")
    return count


def _is_on(entry: Entry, side: Side) -> bool:
    return entry.mine == (side == "local") and not entry.is_unannounced


def _row(entry: Entry) -> FileRow:
    return FileRow(
        path=entry.path, size=entry.size, hash=entry.root.hex(), modified_ns=entry.mtime_ns
    )


_CODES = {
    errno.ENOENT: "no-such-file",
    errno.EEXIST: "file-exists",
    errno.EISDIR: "is-a-directory",
    errno.ENOTDIR: "not-a-directory",
    errno.EINVAL: "not-a-file",
    errno.ELOOP: "not-a-file",
    errno.ENOSPC: "no-space",
    errno.EACCES: "permission-denied",
    errno.EBUSY: "busy",
}


@contextmanager
def _told_to_the_user() -> Iterator[None]:
    """Turn errors of disks and names into replies, with the errno's name."""
    try:
        yield
    except UnsafeName as error:
        raise CommandError("unsafe-name", str(error), "EINVAL") from error
    except OSError as error:
        raise command_error(error) from error


def command_error(error: OSError) -> CommandError:
    """Return the reply for an error of the system."""
    number = error.errno or errno.EIO
    name = errno.errorcode.get(number, "EIO")
    code = "name-clash" if isinstance(error, NameClash) else _CODES.get(number, "io-error")
    text = (error.strerror or str(error)).removesuffix(".")
    text = text[:1].lower() + text[1:]
    path = f"{error.filename}: " if error.filename else ""
    return CommandError(code, f"{path}{text} ({name})", name)


def rate(value: str | int | None, which: str) -> int | None:
    """Return a rate limit in bytes per second. Raises CommandError."""
    if value is None:
        return None
    try:
        return parse_rate(str(value))
    except ValueError as error:
        raise CommandError("bad-argument", f"{which}: {error}") from error
