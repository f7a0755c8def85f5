"""Small games on disk and in manifests; blocks of 4 KiB make a few of them enough."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from blake3 import blake3

from peer_cli.library import index
from peer_cli.network import wire
from peer_cli.transfer import manifest, plan, receive, staging, verified_archives
from peer_cli.transfer.manifest import Manifest

BLOCK = 4096
CHUNK = 4 * BLOCK
TOGETHER = 512

Files = Mapping[str, bytes]


def use_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a block 4 KiB, a chunk four of them, and what is received together 512 bytes."""
    for module in (index, manifest, staging, receive, plan, verified_archives):
        monkeypatch.setattr(module, "BLOCK_SIZE", BLOCK)
    monkeypatch.setattr(manifest, "CHUNK_SIZE", CHUNK)
    monkeypatch.setattr(receive, "TOGETHER_BYTES", TOGETHER)


def content(name: str, size: int) -> bytes:
    """Bytes that never repeat, other ones for every name."""
    return hashlib.shake_256(name.encode()).digest(size)


def manifest_of(files: Files, game_id: str = "g", version: str = "1") -> Manifest:
    return Manifest(
        game_id,
        version,
        tuple(
            wire.File(
                path,
                len(data),
                [blake3(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)],
            )
            for path, data in sorted(files.items())
        ),
    )


def write_files(root: Path, files: Files) -> None:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def read_files(root: Path) -> dict[str, bytes]:
    """All regular files below a folder, which need not exist."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
