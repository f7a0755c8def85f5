"""Unpacks archives with the helper, for its tests."""

import os
import shutil
from pathlib import Path

import pytest

from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.unpacker import Unpacker

DATA = Path(__file__).parent / "data"
UNRAR = shutil.which("unrar")
LIBRARY = Unpacker()

both = pytest.mark.parametrize(
    "unpacker",
    [
        pytest.param(LIBRARY, id="library"),
        pytest.param(
            Unpacker(unrar=UNRAR),
            id="tool",
            marks=pytest.mark.skipif(UNRAR is None, reason="no unrar program on this machine"),
        ),
    ],
)


def unpack(unpacker: Unpacker, target: Path, *archives: Path) -> InstallSummary:
    target.mkdir(exist_ok=True)
    with unpacker.start(archives) as helper, Extraction(target) as extraction:
        assert helper.stdout is not None
        descriptor = helper.stdout.fileno()
        try:
            return extract_stream(
                iter(lambda: memoryview(os.read(descriptor, 1 << 20)), b""), extraction
            )
        finally:
            helper.stdout.close()


def packed(tmp_path: Path, *contents: bytes) -> list[Path]:
    """Write archives whose names are in this order."""
    paths = [tmp_path / f"{number}.eti" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths
