"""The bootstrap, with a Python whose `venv` and `pip install` are quick stand-ins."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TOOLS = ("sh", "dirname", "cksum", "sed", "cat", "mkdir", "rm", "chmod", "cp")

# Real Python but for the two slow steps: venv copies this script, pip makes a `just` that shows
# how it was called. Both leave a line in the log.
STAND_IN = """\
#!/bin/sh
case "$*" in
    "-m venv --clear "*)
        rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo venv >>"$JUSTW_LOG" ;;
    "-m pip install "*" --requirement requirements/dev.txt")
        echo lock >>"$JUSTW_LOG" ;;
    "-m pip install "*)
        echo "pip $*" >>"$JUSTW_LOG"
        [ ! -p "$JUSTW_LOG.gate" ] || cat "$JUSTW_LOG.gate"
        [ ! -f "$JUSTW_LOG.fail" ] || { echo "no route to the index" >&2; exit 1; }
        echo 'echo "just $*"' >.venv/bin/just; chmod +x .venv/bin/just ;;
    *) exec REAL_PYTHON "$@" ;;
esac
"""


class Folder:
    """A project folder with justw in it, and a PATH of its own."""

    def __init__(self, root: Path) -> None:
        self.project = root / "a project's folder"
        self.tools = root / "tools"
        self.log = root / "log"
        self.project.mkdir()
        self.tools.mkdir()
        shutil.copy(PROJECT / "justw", self.project / "justw")
        (self.project / "pyproject.toml").write_text("[project]\n")
        (self.project / "requirements").mkdir()
        (self.project / "requirements" / "dev.txt").write_text("pytest==9\n")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.tools / tool).symlink_to(found)

    def add_python(self, name: str, text: str) -> None:
        path = self.tools / name
        path.write_text(text.replace("REAL_PYTHON", sys.executable))
        path.chmod(0o755)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.project / "justw", *arguments],
            cwd="/",
            env={"PATH": str(self.tools), "JUSTW_LOG": str(self.log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def steps(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.split()[0] for line in lines]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.add_python("python3", STAND_IN)
    return made


def test_installs_once_and_is_quiet_afterwards(folder: Folder) -> None:
    code, out, err = folder.call("recipe", "with space", "--option")
    assert (code, out) == (
        0,
        f"just --justfile {folder.project}/justfile recipe with space --option\n",
    )
    assert "installing the project into .venv" in err
    assert folder.steps() == ["venv", "lock", "pip"]

    code, out, err = folder.call("--list")
    assert (code, err) == (0, "")
    assert "--list" in out
    assert folder.steps() == []


def test_only_the_venv_on_request(folder: Folder) -> None:
    assert folder.call("--ensure-venv")[:2] == (0, "")
    assert folder.steps() == ["venv", "lock", "pip"]


@pytest.mark.parametrize("file", ["pyproject.toml", "requirements/dev.txt"])
def test_installs_again_when_the_requirements_changed(folder: Folder, file: str) -> None:
    folder.call()
    folder.steps()
    (folder.project / file).write_text("[project]\nname = 'other'\n")
    code, _, err = folder.call()
    assert code == 0
    assert "pyproject.toml" in err
    assert folder.steps() == ["lock", "pip"]
    assert folder.call()[2] == ""


def test_makes_the_venv_anew_when_the_folder_moved(folder: Folder) -> None:
    folder.call()
    folder.steps()
    folder.project = folder.project.rename(folder.project.with_name("elsewhere"))
    assert folder.call()[0] == 0
    assert folder.steps() == ["venv", "lock", "pip"]


def test_makes_the_venv_anew_when_its_python_is_gone(folder: Folder) -> None:
    folder.call()
    folder.steps()
    (folder.project / ".venv/bin/python").unlink()
    assert folder.call()[0] == 0
    assert folder.steps() == ["venv", "lock", "pip"]


def test_two_at_once_install_once(folder: Folder) -> None:
    gate = Path(f"{folder.log}.gate")
    os.mkfifo(gate)
    first = folder.start("one")
    with gate.open("w"):  # opens when the first has come to pip, which goes on when it is closed
        second = folder.start("two")
        assert second.stderr
        said = second.stderr.readline()
    outputs = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert said == "justw: another justw is installing; waiting for it ...\n"
    assert [first.returncode, second.returncode] == [0, 0]
    assert [output.split()[-1] for output in outputs] == ["one", "two"]
    assert folder.steps() == ["venv", "lock", "pip"]


def test_a_failed_installation_says_what_to_do_and_is_tried_again(folder: Folder) -> None:
    failing = Path(f"{folder.log}.fail")
    failing.touch()
    code, out, err = folder.call("recipe")
    assert (code, out) == (3, "")
    assert "no route to the index" in err
    assert "check the network" in err
    failing.unlink()
    folder.steps()
    assert folder.call("recipe")[0] == 0
    assert folder.steps() == ["lock", "pip"]


def test_no_python(folder: Folder) -> None:
    (folder.tools / "python3").unlink()
    code, _, err = folder.call()
    assert code == 3
    assert "No Python was found. Install Python 3.11 or newer" in err


def test_an_old_python(folder: Folder) -> None:
    folder.add_python("python3", '#!/bin/sh\ncase "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac\n')
    code, _, err = folder.call()
    assert code == 3
    assert "Python 3.11 or newer is needed; the newest here is 3.9." in err


def test_no_venv_module(folder: Folder) -> None:
    folder.add_python(
        "python3.11",
        '#!/bin/sh\ncase "$2" in *print*) echo 3.11 ;; *ensurepip*) exit 1 ;; esac\n',
    )
    (folder.tools / "python3").unlink()
    code, _, err = folder.call()
    assert code == 3
    assert "apt install python3.11-venv" in err


def test_a_shim_of_a_missing_python_is_passed_over(folder: Folder) -> None:
    folder.add_python("python3.13", "#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    code, _, err = folder.call()
    assert code == 0
    assert "not installed" not in err


def test_the_shell_is_posix() -> None:
    dash = shutil.which("dash") or shutil.which("sh")
    assert dash
    subprocess.run([dash, "-n", PROJECT / "justw"], check=True)
