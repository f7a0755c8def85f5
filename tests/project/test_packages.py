"""`.ci/packages` on a machine with nothing but apt-get."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "packages"
APT = """#!/bin/sh
echo "$@" >>"$LOG"
echo "it says why"
[ "$1" = update ] || exit "$CODE"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with all programs that there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text(APT)
    (folder / "apt-get").chmod(0o755)
    (folder / "bash").symlink_to(shutil.which("bash") or "")
    return folder


def run(programs: Path, *named: str, code: int = 0) -> tuple[int, str, list[str]]:
    """Return its exit code, what it said, and how apt-get was called."""
    log = programs.parent / "log"
    done = subprocess.run(
        [SCRIPT, *named],
        env={"PATH": str(programs), "LOG": str(log), "CODE": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, log.read_text().splitlines() if log.exists() else []


def test_all_that_is_missing_is_installed(programs: Path) -> None:
    (programs / "git").symlink_to(programs / "bash")
    (programs / "google-chrome").symlink_to(programs / "bash")
    code, said, calls = run(programs, "socat")
    install = "install --yes --no-install-recommends socat nodejs fuse3 rsync tcpdump"
    assert (code, said, calls) == (0, "", ["update", install])


def test_nothing_is_asked_for_when_all_is_there(programs: Path) -> None:
    for name in ("chromium", "node", "fusermount3", "git", "rsync", "tcpdump"):
        (programs / name).symlink_to(programs / "bash")
    assert run(programs) == (0, "", [])


def test_a_failure_is_told(programs: Path) -> None:
    code, said, _ = run(programs, code=100)
    assert code == 1
    assert said.startswith("it says why")
    assert said.endswith("chromium nodejs fuse3 git rsync tcpdump could not be installed\n")
