"""Starts the unpacking helper: the same one for local installs and for streams to other peers."""

import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import peer_cli
from peer_cli.install.errors import InstallCancelled, InstallError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.read_ahead import read_ahead
from peer_cli.install.unpack import DEFAULT_DICTIONARY_LIMIT

_PIPE_BYTES = 1 << 20
_CANCEL_CHECK_MS = 100


@dataclass(frozen=True, slots=True)
class Unpacker:
    """How to unpack archives, as the peer's flags say.

    `unrar` is the path or name of an external program, or None for the built-in library. `fixture`
    copies the archives' bytes into `fixture-payload.txt`. `dictionary_limit` is in bytes.
    """

    unrar: str | None = None
    fixture: bool = False
    dictionary_limit: int = DEFAULT_DICTIONARY_LIMIT

    def start(
        self, archives: Sequence[Path], *, for_others: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a helper that writes the entry stream of these archives to its `stdout` pipe.

        A helper that works `for_others` yields the CPU to everything that the user runs here. The
        pipe is unbuffered: read or splice from its descriptor. Use the helper as a context manager
        and `stop` it when it is no longer needed; it also ends when the pipe is closed. Raises
        OSError when it cannot be started.
        """
        options = ["--dictionary-limit", str(self.dictionary_limit)]
        if for_others:
            options += ["--give-way"]
        if self.unrar is not None:
            options += ["--unrar", self.unrar]
        elif self.fixture:
            options += ["--fixture"]
        helper = subprocess.Popen(
            [
                sys.executable,
                "-P",  # do not import from the current folder
                "-m",
                "peer_cli.install.unpack",
                *options,
                *(str(path.absolute()) for path in archives),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
            # With one arena per thread, UnRAR would reserve more memory than the limit allows.
            env={**os.environ, "PYTHONPATH": _python_path(), "MALLOC_ARENA_MAX": "1"},
            # Keeps Ctrl-C from the helper, and lets `stop` kill the helper with its children.
            process_group=0,
        )
        _enlarge_pipe(helper)
        return helper


def stop(helper: subprocess.Popen[bytes]) -> None:
    """Kill a helper and the external program that it may be running; does not wait for it."""
    if helper.returncode is None:  # not yet reaped, so the id is still its own
        os.killpg(helper.pid, signal.SIGKILL)


def _python_path() -> str:
    """Return a PYTHONPATH that finds this package, installed or not."""
    here = str(Path(peer_cli.__path__[0]).parent)
    inherited = os.environ.get("PYTHONPATH")
    return here if inherited is None else here + os.pathsep + inherited


def _enlarge_pipe(helper: subprocess.Popen[bytes]) -> None:
    """Make the pipe as large as a frame, which halves its cost on Linux."""
    if sys.platform == "linux" and helper.stdout is not None:
        # Refused when the user's pipes have used up their quota: slower, but correct.
        with suppress(PermissionError):
            fcntl.fcntl(helper.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def unpack_archives(
    archives: Sequence[Path],
    unpacker: Unpacker,
    extraction: Extraction,
    cancelled: threading.Event,
) -> InstallSummary:
    """Unpack archives into an extraction; blocks until that is done.

    Raises InstallError: `cancelled`, `unpacker-failed` or whatever `Extraction.feed` raises.
    """
    try:
        helper = unpacker.start(archives)
    except OSError as error:
        raise InstallError(
            "unpacker-failed", f"The unpacking helper cannot be started: {error.strerror}."
        ) from error
    with helper:
        assert helper.stdout is not None
        try:
            pipe = _Pipe(helper.stdout.fileno(), cancelled)
            with closing(read_ahead(pipe.read_into, lambda: stop(helper))) as fragments:
                return extract_stream(fragments, extraction)
        except InstallError as error:
            if error.code != "incomplete-stream":
                raise
            raise InstallError(
                "unpacker-failed",
                f"The unpacking helper ended too early (exit code {helper.wait()}).",
            ) from error
        finally:
            stop(helper)


class _Pipe:
    """The helper's pipe; notices a cancel even while the helper writes nothing."""

    def __init__(self, descriptor: int, cancelled: threading.Event) -> None:
        self._descriptor = descriptor
        self._cancelled = cancelled
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read_into(self, memory: memoryview) -> int:
        while not self._cancelled.is_set():
            if self._poll.poll(_CANCEL_CHECK_MS):
                return os.readv(self._descriptor, [memory])
        raise InstallCancelled
