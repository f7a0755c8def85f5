"""Programs of others: installed, started and waited for."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from scenarios.root import ROOT

INSTALLED = ROOT / ".cache" / "others"
READY_S = 30.0


class NotHere(Exception):  # noqa: N818 - reads well where it is raised and caught
    """Something cannot be measured here; the text says why."""


def from_pypi(name: str, *packages: str) -> Path:
    """Return the programs of packages, installed into an environment of their own.

    Raises NotHere.
    """
    home = INSTALLED / name
    programs, done = home / "bin", home / "installed"
    if done.exists():
        return programs
    shutil.rmtree(home, ignore_errors=True)
    pip = (str(programs / "python"), "-m", "pip", "--disable-pip-version-check")
    try:
        quiet(sys.executable, "-m", "venv", str(home))
        quiet(*pip, "install", "--quiet", *packages)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or ["pip failed"]
        raise NotHere(f"it cannot be installed: {said[-1]}") from error
    done.touch()
    return programs


def program(name: str, *, crate: bool = False) -> str:
    """Return the path of a program, or of a crate that was built for this. Raises NotHere."""
    found = shutil.which(name) or shutil.which(name, path=INSTALLED / "bin")
    if found is None:
        how = f"; `cargo install --root .cache/others {name}` builds it" if crate else ""
        raise NotHere(f"there is no {name}{how}")
    return found


def run(stack: ExitStack, *command: str, folder: Path | None = None) -> int:
    """Start a program that ends with the stack; return its session, which is its own."""
    silent = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=silent, stderr=silent,
        start_new_session=True,
    )  # fmt: skip

    def end() -> None:
        process.terminate()
        process.communicate()

    stack.callback(end)
    return process.pid


def quiet(*command: str) -> None:
    """Run a program to its end. Raises subprocess.CalledProcessError."""
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as freed:
        return int(freed.getsockname()[1])


def listening(port: int, running: Callable[[], bool] = lambda: True) -> int:
    """Return a port of 127.0.0.1 when somebody listens there. Raises TimeoutError.

    Without connecting to it: some take one connection only.
    """
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and running():
        if wanted in Path("/proc/net/tcp").read_text(encoding="ascii"):
            return port
        time.sleep(0.01)  # programs of others have no event to wait for
    raise TimeoutError(f"nobody listens at port {port}")
