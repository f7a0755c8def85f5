"""Replies of a whole peer where its folder makes trouble."""

import sys
from pathlib import Path

from tests.headless.node_process import NodeProcess, unprivileged


def test_patterns_that_cannot_be_read_stop_scans_until_they_can(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    patterns = folder / ".syncignore"
    patterns.write_text("secret\n")
    patterns.chmod(0)
    (folder / "secret").write_text("not to be sent")
    tracker = NodeProcess(
        "sync_cli", "tracker", "--listen", "127.0.0.1:0", "--state-dir", str(tmp_path / "tracker")
    )
    peer = NodeProcess(
        "sync_cli", "peer", "--listen", "127.0.0.1:0", "--state-dir", str(tmp_path / "peer"),
        "--folder", str(folder), "--tracker", tracker.wait("sync-ready")["addr"],
        command=(*unprivileged(), sys.executable, "-P", "-m"),
    )  # fmt: skip
    refused = peer.request("scan")
    assert refused["code"] == "folder-unreadable"
    assert "Permission denied" in refused["error"]
    assert "not been scanned" in peer.request("wait-in-step", timeout_ms=300)["error"]
    patterns.chmod(0o644)
    assert peer.ask("scan")["files"] == 1
    peer.ask("wait-in-step", timeout_ms=20_000)
    patterns.chmod(0)
    assert "cannot be scanned" in peer.request("wait-in-step", timeout_ms=300)["error"]
    patterns.chmod(0o644)
    peer.ask("wait-in-step", timeout_ms=20_000)
    assert [row["path"] for row in peer.ask("list-files")["files"]] == [".syncignore"]
    for node in (peer, tracker):
        assert "Traceback" not in node.end()
