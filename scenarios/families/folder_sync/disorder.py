"""Random edits in several folders, and peers that are killed, frozen and started again."""

import ctypes
import errno
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path

from scenarios.families.folder_sync.judge import Deed
from scenarios.families.folder_sync.peers import Peer
from scenarios.families.folder_sync.sync import Sync

NAMES = tuple(f"{folder}{n}.txt" for folder in ("", "sub/", "sub/deep/") for n in range(12))
# How often each is done, of a hundred steps.
WRITE, DELETE, RENAME, KILL, FREEZE = 70, 8, 8, 4, 10
RENAME_EXCHANGE, RENAME_NOREPLACE, AT_FDCWD = 2, 1, -100


class Disorder:
    """Disorder among peers, from a seed."""

    def __init__(self, sync: Sync, peers: Sequence[Peer], seed: int) -> None:
        self.deeds: list[Deed] = []
        self.kills = self.freezes = 0
        self._sync = sync
        self._peers = {one.name: one for one in peers}
        self._random = random.Random(seed)  # noqa: S311 - a test
        self._down: set[str] = set()
        self._frozen: set[str] = set()
        self._number = 0
        for one in peers:
            (one.mount.host / "elsewhere").mkdir()

    def run(self, steps: int, per_second: float) -> None:
        """Do so many steps."""
        pace = threading.Event()
        for _ in range(steps):
            one = self._peers[self._random.choice(sorted(self._peers))]
            kinds = (self._write, self._delete, self._rename, self._kill, self._freeze)
            [do] = self._random.choices(kinds, (WRITE, DELETE, RENAME, KILL, FREEZE))
            do(one)
            pace.wait(1 / per_second)  # how fast things happen is what is wanted here

    def all_at_once(self, name: str) -> None:
        """Let everybody write to one name, and nobody hear of the others before."""
        self.settle()
        for one in self._peers.values():
            one.node.freeze()
        for one in self._peers.values():
            self._write_to(one, name)
        for one in self._peers.values():
            one.node.thaw()

    def settle(self) -> list[Peer]:
        """Let all run again, and return them."""
        for name in sorted(self._frozen):
            self._peers[name].node.thaw()
        for name in sorted(self._down):
            self._peers[name] = self._sync.restart(self._peers[name])
        self._frozen.clear()
        self._down.clear()
        return list(self._peers.values())

    def _write(self, one: Peer) -> None:
        self._write_to(one, self._random.choice(NAMES))

    def _write_to(self, one: Peer, name: str) -> None:
        self._number += 1
        content = f"{self._number} of {one} " + "x" * self._random.choice((0, 100, 5000))
        scratch, target = self._scratch(one), one.folder / name
        scratch.write_text(content)
        target.parent.mkdir(parents=True, exist_ok=True)
        if _renameat2(scratch, target, RENAME_NOREPLACE):
            self.deeds.append(Deed(one.name, name, content, None))
        elif _renameat2(scratch, target, RENAME_EXCHANGE):
            self.deeds.append(Deed(one.name, name, content, scratch.read_text()))

    def _delete(self, one: Peer) -> None:
        name = self._random.choice(NAMES)
        scratch = self._scratch(one)
        if _renameat2(one.folder / name, scratch, 0):
            self.deeds.append(Deed(one.name, name, None, scratch.read_text()))

    def _rename(self, one: Peer) -> None:
        """Move a file to a name that nobody has used."""
        name = self._random.choice(NAMES)
        self._number += 1
        new = f"renamed/{self._number}.txt"
        scratch = self._scratch(one)
        if _renameat2(one.folder / name, scratch, 0):
            content = scratch.read_text()
            self.deeds.append(Deed(one.name, name, None, content))
            (one.folder / new).parent.mkdir(exist_ok=True)
            scratch.rename(one.folder / new)
            self.deeds.append(Deed(one.name, new, content, None))

    def _kill(self, one: Peer) -> None:
        """Kill it, or start it again."""
        if one.name in self._down:
            self._down.remove(one.name)
            self._peers[one.name] = self._sync.restart(one)
        elif one.name not in self._frozen and self._few():
            one.node.kill()
            self.kills += 1
            self._down.add(one.name)

    def _freeze(self, one: Peer) -> None:
        """Cut it off, or let it go on."""
        if one.name in self._frozen:
            self._frozen.remove(one.name)
            one.node.thaw()
        elif one.name not in self._down and self._few():
            one.node.freeze()
            self.freezes += 1
            self._frozen.add(one.name)

    def _few(self) -> bool:
        return len(self._down | self._frozen) < len(self._peers) / 2

    def _scratch(self, one: Peer) -> Path:
        self._number += 1
        return one.mount.host / "elsewhere" / str(self._number)


def _renameat2(old: Path, new: Path, flags: int) -> bool:
    """Rename, or exchange, in one step; return False if there is nothing, or already something."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)
    if done == 0:
        return True
    error = ctypes.get_errno()
    if error in (errno.ENOENT, errno.EEXIST, errno.ENOTDIR):
        return False
    raise OSError(error, os.strerror(error), str(new))
