"""Reading blocks for other peers from a disk that fails."""

import errno
import os
from collections.abc import Callable

import pytest

from tests.sync_cli.world import World


@pytest.mark.parametrize("call", ["pread", "open"])
def test_a_file_that_cannot_be_read_for_others_is_reported_once(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    peer = worlds("a")["a"]
    peer.write("x\x1b", b"content")
    peer.scan()
    entry = peer.entry("x\x1b")
    assert entry is not None
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        broken.setattr(os, call, fail)
        assert peer.folder.read_block(entry.hash, 0) is None
        assert peer.folder.read_block(entry.hash, 0) is None
    assert peer.reported == [
        "x\N{REPLACEMENT CHARACTER} cannot be read for other peers: Input/output error"
    ]
    assert peer.folder.read_block(entry.hash, 0) == b"content"


def test_a_file_that_is_gone_is_a_change_and_no_trouble(worlds: Callable[..., World]) -> None:
    peer = worlds("a")["a"]
    file = peer.write("x", b"content")
    peer.scan()
    entry = peer.entry("x")
    assert entry is not None
    file.unlink()
    assert peer.folder.read_block(entry.hash, 0) is None
    file.symlink_to("elsewhere")
    assert peer.folder.read_block(entry.hash, 0) is None
    assert not peer.reported
