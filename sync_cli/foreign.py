"""Lets files into the folder that come from peers without versions: those of the legacy wire."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sync_cli.model import Entry, Kind
from sync_cli.site import Site
from sync_cli.tree import KEPT, NOTHING

_SECOND = 10**9


class ChangedError(Exception):
    """What is at the path is not what the index knows: it has to be scanned first."""


class Foreign:
    """Says which files are wanted, and guards what they replace. Raises IndexTrouble, OSError."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def is_wanted(self, path: bytes, mtime_s: int) -> bool:
        """Tell whether a file from then, in unix seconds, should be here."""
        row = self._site.index.row(path)
        covered = self._site.covers(path, Kind.FILE)
        return not covered and is_newer(mtime_s, row.entry if row is not None else None)

    def keep(self, path: bytes) -> None:
        """Keep what will be replaced in `.sync/kept`: nobody can tell whether it was seen there.

        Raises ChangedError and HaltedError.
        """
        site = self._site
        with site.lock:
            tree = site.reach()
            row = site.index.row(path)
            known = row.stamp if row is not None and row.entry.alive else NOTHING.stamp
            there = tree.look(path)
            if there is None or there.stamp != known:
                raise ChangedError
            if row is None or not row.entry.alive:
                return
            aside = KEPT + b"/" + row.entry.hash.hex()[:16].encode()
            with (
                tree.parent(path) as (folder, name),
                tree.parent(aside) as (kept, kept_as),
                suppress(FileExistsError),  # the same bytes
            ):
                os.link(name, kept_as, src_dir_fd=folder, dst_dir_fd=kept)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Keep all others from the folder. Raises HaltedError."""
        with self._site.lock:
            self._site.reach()
            yield


def is_newer(mtime_s: int, ours: Entry | None) -> bool:
    """Tell whether a file from then is newer than what is here, or was here last. Pure."""
    if ours is None:
        return True
    if not ours.alive:
        return mtime_s > ours.edited_ns // _SECOND  # what was deleted stays deleted
    return ours.kind is Kind.FILE and mtime_s > ours.mtime_ns // _SECOND
