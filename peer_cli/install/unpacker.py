"""Starts the unpacking helper: the same process for local installs and for streams to others."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import peer_cli
from peer_cli.install.unpack import DEFAULT_DICTIONARY_LIMIT

_PIPE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacker:
    """How archives are unpacked, as the peer's flags say.

    `unrar` is an external program by path or name, None for the built-in library; `fixture` copies
    the archives' bytes into `fixture-payload.txt` instead. `dictionary_limit` is in bytes.
    """

    unrar: str | None = None
    fixture: bool = False
    dictionary_limit: int = DEFAULT_DICTIONARY_LIMIT

    def start(self, archives: Sequence[Path]) -> subprocess.Popen[bytes]:
        """Start a helper that writes the entry stream of these archives to its `stdout` pipe.

        It is unbuffered: read, or splice, from its descriptor. Use it as a context manager and
        `stop` it when it is no longer wanted; it also ends when the pipe is closed. Raises OSError
        when it cannot be started.
        """
        options = ["--dictionary-limit", str(self.dictionary_limit)]
        if self.unrar is not None:
            options += ["--unrar", self.unrar]
        elif self.fixture:
            options += ["--fixture"]
        helper = subprocess.Popen(
            [
                sys.executable,
                "-P",  # nothing is imported from the folder that the peer was started in
                "-m",
                "peer_cli.install.unpack",
                *options,
                *(str(path.absolute()) for path in archives),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": _python_path()},
            # Ctrl-C is for the peer alone, and `stop` for the helper with its children.
            process_group=0,
        )
        _enlarge_pipe(helper)
        return helper


def stop(helper: subprocess.Popen[bytes]) -> None:
    """Kill a helper, with the external program that it may be running; wait for it elsewhere."""
    if helper.returncode is None:  # not yet waited for, so the number is still its own
        os.killpg(helper.pid, signal.SIGKILL)


def _python_path() -> str:
    """Return where the helper finds this very package, installed or not."""
    here = str(Path(peer_cli.__path__[0]).parent)
    inherited = os.environ.get("PYTHONPATH")
    return here if inherited is None else here + os.pathsep + inherited


def _enlarge_pipe(helper: subprocess.Popen[bytes]) -> None:
    """Make the pipe as large as a frame, which halves the cost of crossing it on Linux."""
    if sys.platform == "linux" and helper.stdout is not None:
        # Refused where the user's pipes have used up their share: slower, not wrong.
        with suppress(PermissionError):
            fcntl.fcntl(helper.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
