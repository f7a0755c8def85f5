"""Mounts that a killed node left, in this mount namespace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.core.sweep import release_mounts

SCRIPT = """
import stat, sys
import mfusepy
class Empty(mfusepy.Operations):
    use_ns = True
    def getattr(self, path, fh=None):
        if path != "/":
            raise mfusepy.FuseOSError(2)
        return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
    def init(self, path):
        print("mounted", flush=True)
mfusepy.FUSE(Empty(), sys.argv[1], foreground=True)
"""


@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="nobody may mount here")
def test_what_a_killed_node_has_mounted_is_detached_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("mfusepy")
    for name in ("own folder", "other"):
        (tmp_path / name).mkdir()
    mounts = [tmp_path / "own folder", tmp_path / "other"]
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE)
        for folder in mounts
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == b"mounted\n"
            process.kill()
            process.wait()
        assert release_mounts(mounts[0]) == [str(mounts[0])]
        assert list(mounts[0].iterdir()) == []
        with pytest.raises(OSError, match="not connected"):
            list(mounts[1].iterdir())
    finally:
        assert release_mounts(tmp_path) == [str(mounts[1])]
    assert release_mounts(tmp_path) == []
