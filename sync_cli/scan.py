"""Compares the folder with the index. That is the truth; watchers only say where to look."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field

from sync_cli.model import Kind
from sync_cli.site import Site
from sync_cli.tree import Folders, Seen, Stamp, Tree, is_absence, seen

_ODD = "It is neither a file, a folder nor a link."


@dataclass(slots=True)
class Differences:
    """Where the folder differs from the index.

    `changed` is there and new, or not what the index knows; `gone` is in the index and not there,
    each folder after what was in it. An error is neither: it goes to `trouble`.
    """

    changed: list[tuple[bytes, Seen]] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    trouble: dict[bytes, str] = field(default_factory=dict)


def compare(site: Site, tree: Tree, paths: Collection[bytes] | None) -> Differences:
    """Compare the whole folder with the index, or only these paths and what is below them.

    Raises OSError when the folder itself cannot be read, and IndexTrouble.
    """
    with Folders(tree) as folders:
        walk = _Walk(site, tree, folders)
        if paths is None:
            walk.folder(b"")
        else:
            for path in _topmost(paths):
                walk.path(path)
    return walk.found


def is_shell(site: Site, tree: Tree, folder: bytes) -> bool:
    """Tell whether there is something in a folder, but nothing that is not ignored.

    Raises OSError.
    """
    shell = False
    pending = [folder]
    while pending:
        inner = pending.pop()
        descriptor = tree.open_folder(inner)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    path = inner + b"/" + os.fsencode(entry.name)
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if site.ignore.covers(path, folder=is_folder):
                        shell = True
                    elif is_folder:
                        pending.append(path)
                    else:
                        return False
        finally:
            os.close(descriptor)
    return shell


class _Walk:
    def __init__(self, site: Site, tree: Tree, folders: Folders) -> None:
        self._site = site
        self._tree = tree
        self._folders = folders
        self.found = Differences()

    def path(self, path: bytes) -> None:
        if not path:
            self.folder(b"")
            return
        row = self._site.index.row(path)
        known = (row.entry.kind, row.stamp) if row is not None and row.entry.alive else None
        try:
            status = self._folders.status(path)
        except OSError as error:
            if not is_absence(error):
                self._in_trouble(path, error)
            elif known is not None:
                self._gone(path, known[0])
            elif row is None:  # perhaps a folder that was watched, but never entered the index
                self._gone_below(path)
            return
        if self._entry(path, status, known):
            self.folder(path)

    def folder(self, top: bytes) -> None:
        """Walk through a folder. Raises OSError if it is the root and cannot be read."""
        pending = [top]
        while pending:
            folder = pending.pop()
            try:
                pending += self._one_folder(folder)
            except OSError as error:
                if not folder:
                    raise
                if not is_absence(error):  # it went meanwhile: the next scan sees that
                    self._in_trouble(folder, error)

    def _one_folder(self, folder: bytes) -> list[bytes]:
        """Compare what is directly in a folder; return the folders in it."""
        prefix = folder + b"/" if folder else b""
        descriptor = self._tree.open_folder(folder)
        try:
            expected = self._site.index.children(folder)
            inner = []
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    name = os.fsencode(entry.name)
                    known = expected.pop(name, None)
                    path = prefix + name
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        if known is not None:
                            expected[name] = known
                        continue
                    except OSError as error:
                        self._in_trouble(path, error)
                        continue
                    if self._entry(path, status, known):
                        inner.append(path)
        finally:
            os.close(descriptor)
        for name, (kind, _) in expected.items():
            self._gone(prefix + name, kind)
        return inner

    def _entry(
        self, path: bytes, status: os.stat_result, known: tuple[Kind, Stamp | None] | None
    ) -> bool:
        """Compare one path; tell whether it is a folder to walk through."""
        there = seen(status)
        if there is None:
            if not self._site.ignore.covers(path, folder=False):
                self.found.trouble[path] = _ODD
            return False
        if self._site.covers(path, there.kind):
            return False
        if there.kind is Kind.FOLDER:
            if known is None or known[0] is not Kind.FOLDER:
                self.found.changed.append((path, there))
            return True
        if known is None or known != (there.kind, there.stamp):
            self.found.changed.append((path, there))
            if known is not None and known[0] is Kind.FOLDER:
                self._gone_below(path)
        return False

    def _gone(self, path: bytes, kind: Kind) -> None:
        if kind is Kind.FOLDER:
            self._gone_below(path)
        if not self._site.covers(path, kind):
            self.found.gone.append(path)

    def _gone_below(self, folder: bytes) -> None:
        below = self._site.index.alive_below(folder)
        for path, kind in sorted(below, key=lambda one: one[0].count(b"/"), reverse=True):
            if not self._site.covers(path, kind):
                self.found.gone.append(path)

    def _in_trouble(self, path: bytes, error: OSError) -> None:
        self.found.trouble[path] = f"It cannot be read: {error.strerror}."


def _topmost(paths: Collection[bytes]) -> list[bytes]:
    """Leave out paths below others."""
    kept: list[bytes] = []
    for path in sorted(set(paths), key=lambda one: one.split(b"/")):
        if not kept or not (path.startswith(kept[-1] + b"/") or not kept[-1]):
            kept.append(path)
    return kept
