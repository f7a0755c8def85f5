"""Runs a peer as its user does, and uses files beside it: those of its mount.

    python desk.py FOLDER COMMAND...

It starts the command, and passes lines on in both directions, except for commands that begin with
`desk-`, which it carries out itself, in the folder. They see what the peer has mounted there, as
nobody outside its container or mount namespace does. If the folder is still mounted when the peer
has ended, stderr says so. Imports nothing of this project.

Operations of files reply with `errno`, such as "EIO" ("" if all went well), and `seconds`:

- `desk-read` path, offset, count (null: to the end): `size` and `sha256`
- `desk-scatter` path, seed, piece: the same, read in pieces in random order
- `desk-write` path, size, seed, at (null: in place of the file): `sha256`; `desk-put` path, text
- `desk-names` path: `names`, sorted, as readdir gives them; `desk-tree` path: `paths` of all files
- `desk-stat` path: `size`, `mode`, `mtime`, `folder`; `desk-statfs`: `free` bytes
- `desk-unlink`, `desk-mkdir`, `desk-rmdir` path; `desk-rename`, `desk-symlink`,
  `desk-link` path, to
- `desk-truncate` path, size; `desk-chmod` path, mode; `desk-utime` path, mtime
- `desk-save` path, size, seed: as an editor does, under another name and then renamed: `sha256`
- `desk-sqlite` path, rows: makes a database there, and reads it back: `rows`, `sound`
- `desk-run` words, in_folder: `exit_code`, `said`
- `desk-where`: `folder`; `desk-hold` path: keeps a file open; `desk-let-go`: closes it
- `desk-kill`: SIGKILL for the peer alone; `desk-start`: starts it again, and numbers its events on
- `desk-memory`: `bytes`, the peak of the peer's process (`VmHWM` of proc_pid_status(5))
"""

import errno
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

PIECE = 1 << 20
RUN_WITHIN_S = 60.0


class Files:
    """Operations on files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[Any] = []

    def where(self) -> dict[str, Any]:
        """Tell where."""
        return {"folder": str(self._folder)}

    def read(self, path: str, offset: int = 0, count: int | None = None) -> dict[str, Any]:
        """Read from an offset."""
        digest, size = hashlib.sha256(), 0
        with (self._folder / path).open("rb", buffering=0) as file:
            file.seek(offset)
            while count is None or size < count:
                wanted = PIECE if count is None else min(PIECE, count - size)
                if not (data := file.read(wanted)):
                    break
                digest.update(data)
                size += len(data)
        return {"size": size, "sha256": digest.hexdigest()}

    def scatter(self, path: str, seed: int, piece: int) -> dict[str, Any]:
        """Read all in random order."""
        with (self._folder / path).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            content = bytearray(size)
            begins = list(range(0, size, piece))
            random.Random(seed).shuffle(begins)  # noqa: S311 - not for secrets
            for begin in begins:
                data = os.pread(file.fileno(), piece, begin)
                content[begin : begin + len(data)] = data
        return {"size": size, "sha256": hashlib.sha256(content).hexdigest()}

    def write(self, path: str, size: int, seed: int, at: int | None = None) -> dict[str, Any]:
        """Write noise, in place of the file or within it."""
        content = noise(size, seed)
        with (self._folder / path).open("wb" if at is None else "r+b", buffering=0) as file:
            file.seek(at or 0)
            written = 0
            while written < size:
                written += file.write(content[written : written + PIECE])
        return {"sha256": hashlib.sha256(content).hexdigest()}

    def put(self, path: str, text: str) -> dict[str, Any]:
        """Write a text."""
        (self._folder / path).write_text(text)
        return {}

    def names(self, path: str = "") -> dict[str, Any]:
        """List a folder."""
        return {"names": sorted(file.name for file in (self._folder / path).iterdir())}

    def tree(self, path: str = "") -> dict[str, Any]:
        """List all files below a folder."""
        found = [
            os.path.relpath(os.path.join(folder, name), self._folder / path)  # noqa: PTH118
            for folder, _, names in os.walk(self._folder / path, onerror=_raise)
            for name in names
        ]
        return {"paths": sorted(found)}

    def stat(self, path: str) -> dict[str, Any]:
        """Tell of a file."""
        told = (self._folder / path).lstat()
        is_folder = (told.st_mode & 0o170000) == 0o040000
        mode, mtime = told.st_mode & 0o7777, told.st_mtime
        return {"size": told.st_size, "mode": mode, "mtime": mtime, "folder": is_folder}

    def statfs(self) -> dict[str, Any]:
        """Tell how much is free."""
        told = os.statvfs(self._folder)
        return {"free": told.f_bavail * told.f_frsize}

    def unlink(self, path: str) -> dict[str, Any]:
        """Remove a file."""
        (self._folder / path).unlink()
        return {}

    def mkdir(self, path: str) -> dict[str, Any]:
        """Make a folder."""
        (self._folder / path).mkdir()
        return {}

    def rmdir(self, path: str) -> dict[str, Any]:
        """Remove a folder."""
        (self._folder / path).rmdir()
        return {}

    def rename(self, path: str, to: str) -> dict[str, Any]:
        """Rename."""
        (self._folder / path).rename(self._folder / to)
        return {}

    def symlink(self, path: str, to: str) -> dict[str, Any]:
        """Make a symbolic link."""
        (self._folder / path).symlink_to(to)
        return {}

    def link(self, path: str, to: str) -> dict[str, Any]:
        """Make another name of a file."""
        (self._folder / path).hardlink_to(self._folder / to)
        return {}

    def truncate(self, path: str, size: int) -> dict[str, Any]:
        """Set the size."""
        os.truncate(self._folder / path, size)
        return {}

    def chmod(self, path: str, mode: int) -> dict[str, Any]:
        """Set the mode."""
        (self._folder / path).chmod(mode)
        return {}

    def utime(self, path: str, mtime: float) -> dict[str, Any]:
        """Set the time of modification."""
        os.utime(self._folder / path, (mtime, mtime))
        return {}

    def save(self, path: str, size: int, seed: int) -> dict[str, Any]:
        """Save like an editor."""
        target = self._folder / path
        beside = target.with_name(f".{target.name}.swp")
        content = noise(size, seed)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        return {"sha256": hashlib.sha256(content).hexdigest()}

    def sqlite(self, path: str, rows: int) -> dict[str, Any]:
        """Make a database, close it, open it and read it."""
        file = self._folder / path
        with sqlite3.connect(file) as database:
            database.execute("create table one (number integer primary key, text)")
            database.executemany(
                "insert into one values (?, ?)",
                ((number, "x" * (number % 300)) for number in range(rows)),
            )
        database.close()
        database = sqlite3.connect(file)
        [count] = database.execute("select count(*) from one").fetchone()
        [sound] = database.execute("pragma integrity_check").fetchone()
        database.close()
        return {"rows": count, "sound": sound}

    def run(self, words: list[str], in_folder: str = "") -> dict[str, Any]:
        """Run a program in the folder."""
        done = subprocess.run(
            words, cwd=self._folder / in_folder, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=RUN_WITHIN_S, check=False,
        )  # fmt: skip
        return {"exit_code": done.returncode, "said": done.stdout[-4000:]}

    def hold(self, path: str) -> dict[str, Any]:
        """Open a file, and keep it open."""
        self._held.append((self._folder / path).open("rb"))
        return {}

    def let_go(self) -> dict[str, Any]:
        """Close what is held."""
        while self._held:
            self._held.pop().close()
        return {}


class Desk:
    """A peer and its user."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._files = Files(folder)
        self._command = command
        self._writing = threading.Lock()
        self._next_seq = 0
        self._killed = threading.Event()
        self._started_again = threading.Event()
        self._peer = self._start()

    def run(self) -> int:
        """Pass lines on until the peer has ended by itself; return its exit code."""
        signal.signal(signal.SIGTERM, lambda *_: self._peer.terminate())
        threading.Thread(target=self._take_lines, daemon=True).start()
        while True:
            peer = self._peer  # another one may be started at any time
            self._pass_on(peer)
            code = peer.wait()
            if not self._killed.is_set():
                return code if code >= 0 else 128 - code
            self._killed.clear()
            self._started_again.wait()
            self._started_again.clear()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _pass_on(self, peer: "subprocess.Popen[bytes]") -> None:
        assert peer.stdout
        before = self._next_seq
        for line in peer.stdout:
            self._write(self._renumbered(line, before))

    def _renumbered(self, line: bytes, before: int) -> bytes:
        """Count a line if it is an event; those of a peer that was started again go on counting."""
        if b'"event"' not in line:
            return line
        try:
            message = json.loads(line)
        except ValueError:
            return line
        if not isinstance(message, dict) or message.get("type") != "event":
            return line
        message["seq"] = before + int(message["seq"])
        self._next_seq = message["seq"] + 1
        return json.dumps(message).encode() + b"\n" if before else line

    def _take_lines(self) -> None:
        for line in sys.stdin.buffer:
            if b'"desk-' in line[:100]:
                request = json.loads(line)
                name, request_id = request.pop("cmd"), request.pop("id")
                threading.Thread(
                    target=self._carry_out, args=(name, request_id, request), daemon=True
                ).start()
                continue
            try:
                assert self._peer.stdin
                self._peer.stdin.write(line)
                self._peer.stdin.flush()
            except BrokenPipeError:
                continue  # it is over: its exit code says how
        assert self._peer.stdin
        self._peer.stdin.close()

    def _carry_out(self, name: str, request_id: Any, arguments: dict[str, Any]) -> None:
        began = time.monotonic()
        own = {"desk-kill": self._kill, "desk-start": self._begin, "desk-memory": self._memory}
        try:
            work = own.get(name) or getattr(
                self._files, name.removeprefix("desk-").replace("-", "_")
            )
            data = {"errno": "", **work(**arguments)}
        except OSError as error:
            data = {"errno": errno.errorcode.get(error.errno or 0, str(error))}
        except sqlite3.Error as error:
            data = {"errno": f"sqlite: {error}"}
        data["seconds"] = time.monotonic() - began
        reply = {"type": "result", "id": request_id, "data": data}
        self._write(json.dumps(reply).encode() + b"\n")

    def _kill(self) -> dict[str, Any]:
        self._killed.set()
        self._peer.kill()
        self._peer.wait()
        return {}

    def _begin(self) -> dict[str, Any]:
        self._peer = self._start()
        self._started_again.set()
        return {}

    def _memory(self) -> dict[str, Any]:
        for line in Path(f"/proc/{self._peer.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return {"bytes": int(line.split()[1]) * 1024}
        return {"bytes": None}

    def _write(self, line: bytes) -> None:
        with self._writing:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def noise(size: int, seed: int) -> bytes:
    """Return bytes that look random and are the same for the same seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - not for secrets


def _raise(error: OSError) -> None:
    raise error


if __name__ == "__main__":
    code = Desk(Path(sys.argv[1]), sys.argv[2:]).run()
    # A container's folder is a mount of its own; only a peer's is one of FUSE.
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    if any(at == sys.argv[1] and kind.startswith("fuse.") for _, at, kind, *_ in mounts):
        print(f"still mounted: {sys.argv[1]}", file=sys.stderr, flush=True)
    sys.stdout.buffer.flush()
    os._exit(code)  # an operation that hangs would keep it
