"""A host of the comparison: starts servers, times commands, and says what they cost.

A node of its own: it speaks docs/contract.md section 1 and imports nothing of this project. Started
as `python host.py OWN-IP GAMES SCRATCH SHARED CODE CATALOG`; its `ready` event says these again,
since only a node knows where it has its folders. Commands, with their arguments and what they give:

- `serve` argv, port: starts a server, and replies when it accepts connections at the port
- `cost`: `cpu_s` and `peak_bytes` of all servers and what they started, up to now
- `run` argv: `seconds`, `cpu_s`, `peak_bytes`; a last line of JSON that the program prints replaces
  them. The error `failed` has the end of its stderr
- `stop`: stops all servers
- `shutdown`
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

LISTENING_S = 30.0
RETRY_S = 0.01
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):  # noqa: N818 - the code of the reply
    """A program failed; the text says how."""


class Host:
    """The servers of this host."""

    def __init__(self, own_ip: str) -> None:
        self._own_ip = own_ip
        self._servers: list[subprocess.Popen[bytes]] = []

    def serve(self, argv: list[str], port: int) -> dict[str, Any]:
        """Start a server in a session of its own; its stdin stays open."""
        server = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        self._servers.append(server)
        until = time.monotonic() + LISTENING_S
        # Foreign servers do not say when they listen.
        while socket_refuses(self._own_ip, port):
            if server.poll() is not None or time.monotonic() > until:
                raise Failed(f"{argv[0]} does not listen at {self._own_ip}:{port}")
            time.sleep(RETRY_S)
        return {}

    def cost(self) -> dict[str, Any]:
        """Return what all servers and their descendants have used."""
        sessions = {server.pid for server in self._servers}
        cpu_s, peak = 0.0, 0
        for pid in filter(str.isdecimal, (path.name for path in Path("/proc").iterdir())):
            with contextlib.suppress(OSError):
                cpu, session = used(pid)
                if session in sessions:
                    cpu_s += cpu
                    peak = max(peak, peak_of(pid))
        return {"cpu_s": cpu_s, "peak_bytes": peak}

    def run(self, argv: list[str]) -> dict[str, Any]:
        """Run a program to its end."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            began = time.monotonic()
            program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            _, status, used = os.wait4(program.pid, 0)
            seconds = time.monotonic() - began
            program.returncode = os.waitstatus_to_exitcode(status)
            if program.returncode:
                reason = last_line(err) or last_line(out)
                raise Failed(f"{argv[:3]}: exit code {program.returncode}: {reason}")
            told = last_line(out)
        return {
            "seconds": seconds,
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_bytes": used.ru_maxrss << 10,
            **(json.loads(told) if told.startswith("{") else {}),
        }

    def stop(self) -> dict[str, Any]:
        """Stop all servers."""
        for server in self._servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
        for server in self._servers:
            assert server.stdin is not None
            server.stdin.close()
            server.wait()
        self._servers.clear()
        return {}


def used(pid: str) -> tuple[float, int]:
    """Return the CPU seconds of a process and of its ended children, and its session."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS, int(fields[3])


def peak_of(pid: str) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_bytes()
    lines = dict(line.split(b":", 1) for line in status.splitlines() if b":" in line)
    return int(lines.get(b"VmHWM", b"0 kB").split()[0]) << 10


def last_line(file: IO[bytes]) -> str:
    """Return the last line of a short file."""
    file.seek(0)
    return file.read().decode(errors="replace").strip().rpartition("\n")[2]


def socket_refuses(ip: str, port: int) -> bool:
    """Tell whether nothing listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((ip, port)) != 0


def main(own_ip: str, games: str, scratch: str, shared: str, code: str, catalog: str) -> None:
    """Read commands from stdin until `shutdown` or its end."""
    host = Host(own_ip)
    commands: dict[str, Any] = {
        "serve": host.serve,
        "cost": host.cost,
        "run": host.run,
        "stop": host.stop,
        "shutdown": host.stop,
    }
    here = {
        "ip": own_ip, "games": games, "scratch": scratch, "shared": shared, "code": code,
        "catalog": catalog, "python": sys.executable,
    }  # fmt: skip
    say({"type": "event", "event": "ready", "seq": 0, "ts": time.time(), "data": here})
    try:
        for line in sys.stdin:
            request = json.loads(line)
            name, request_id = request.pop("cmd"), request.pop("id", None)
            try:
                data = commands[name](**request)
            except Failed as error:
                say({"type": "error", "id": request_id, "error": str(error), "code": "failed"})
                continue
            say({"type": "result", "id": request_id, "data": data})
            if name == "shutdown":
                break
    finally:
        host.stop()


def say(message: dict[str, Any]) -> None:
    """Write one line."""
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
