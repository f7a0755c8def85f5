"""Files of peers without versions: which are wanted, and what they may replace."""

from collections.abc import Callable

import pytest

from sync_cli.folder import HaltedError
from sync_cli.foreign import ChangedError
from tests.sync_cli.world import World

Worlds = Callable[..., World]
SECOND = 10**9


def test_a_foreign_file_is_wanted_if_it_is_missing_or_newer_and_was_not_deleted_since(
    worlds: Worlds,
) -> None:
    world = worlds("a")
    a = world["a"]
    foreign = a.folder.foreign
    a.write("x", "x", 1000 * SECOND + 999)
    a.write("folder/y", "y")
    a.write(".syncignore", "ignored")
    a.scan()
    assert foreign.is_wanted(b"unknown", 1)
    assert not foreign.is_wanted(b"ignored", 1)
    assert not foreign.is_wanted(b"folder", 2**40)
    assert not foreign.is_wanted(b"x", 1000)
    assert foreign.is_wanted(b"x", 1001)
    (a.root / "x").unlink()
    a.scan()
    deletion = a.entry("x")
    assert deletion is not None
    deleted_s = deletion.edited_ns // SECOND
    assert not foreign.is_wanted(b"x", deleted_s)
    assert foreign.is_wanted(b"x", deleted_s + 1)


def test_what_a_foreign_file_replaces_is_kept_and_never_an_unscanned_edit(worlds: Worlds) -> None:
    world = worlds("a")
    a = world["a"]
    a.write("x", "ours")
    a.scan()
    a.folder.foreign.keep(b"x")
    a.folder.foreign.keep(b"missing")
    (kept,) = (a.root / ".sync/kept").iterdir()
    assert kept.read_bytes() == b"ours"
    with pytest.raises(ChangedError):  # its change time is another one since it has two names
        a.folder.foreign.keep(b"x")
    a.scan()
    a.folder.foreign.keep(b"x")
    a.write("appeared", "unscanned")
    with pytest.raises(ChangedError):
        a.folder.foreign.keep(b"appeared")
    (a.root / ".sync/marker").unlink()
    with pytest.raises(HaltedError), a.folder.foreign.placing():
        pass
