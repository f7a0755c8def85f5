"""Serves or fetches a folder by Syncthing, over its REST API.

    python3 syncthing.py serve IP PORT FOLDER SCRATCH
    python3 syncthing.py fetch IP PORT FOLDER SCRATCH SERVER-IP SERVER-PORT

The API listens at PORT, Syncthing itself at PORT + 2. Both sides know each other and the server has
scanned its folder before the time begins; it ends when the folder is idle with nothing missing.
https://docs.syncthing.net/dev/rest.html. Needs Debian's syncthing.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

KEY = "benchmark"
SHARE = "share"
START_S = 30.0
PAUSE_S = 0.02  # Syncthing tells of most changes only at its next poll of itself

QUIET = {
    "globalAnnounceEnabled": False,
    "localAnnounceEnabled": False,
    "relaysEnabled": False,
    "natEnabled": False,
    "crashReportingEnabled": False,
    "urAccepted": -1,
    "reconnectionIntervalS": 1,
}


class Instance:
    """The REST API of one Syncthing."""

    def __init__(self, ip: str, port: int) -> None:
        self.sync_address = f"tcp://{ip}:{port + 2}"
        self._url = f"http://{ip}:{port}/rest/"

    def ask(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Return the answer. Raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers={"X-API-Key": KEY})
        request.method = "GET" if body is None else method
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = answer.read()
        return json.loads(told) if told else None

    def until(self, path: str, *, holds: Any) -> None:
        """Wait until an answer is as it should be."""
        while not holds(self.ask(path)):
            time.sleep(PAUSE_S)

    @property
    def device(self) -> str:
        """Its device id."""
        return str(self.ask("system/status")["myID"])

    def meet(self, other: "Instance", device: str) -> None:
        """Know another one."""
        self.ask("config/devices", {"deviceID": device, "addresses": [other.sync_address]})

    def share(
        self, folder: str, kind: str, marker: str, devices: list[str], *, watched: bool = False
    ) -> None:
        """Share a folder with others."""
        shared = {
            "id": SHARE,
            "path": folder,
            "type": kind,
            "markerName": marker,
            "fsWatcherEnabled": watched,
            "rescanIntervalS": 0,
            "devices": [{"deviceID": device} for device in devices],
        }
        self.ask("config/folders", shared)


def start(ip: str, port: int, scratch: str) -> tuple[Instance, subprocess.Popen[bytes]]:
    """Start a Syncthing without folders, which talks to nobody that it does not know."""
    home = tempfile.mkdtemp(prefix="state-", dir=scratch)
    generate = ["syncthing", "generate", "--home", home, "--no-default-folder"]
    subprocess.run(generate, check=True, stdout=subprocess.DEVNULL)
    program = subprocess.Popen(
        ["syncthing", "serve", "--home", home, "--no-browser", "--no-upgrade",
         f"--gui-address={ip}:{port}", f"--gui-apikey={KEY}"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "STMONITORED": "1"},  # one process, not a monitor and another one
    )  # fmt: skip
    instance = Instance(ip, port)
    until = time.monotonic() + START_S
    while True:
        try:
            options = instance.ask("config/options")
            break
        except urllib.error.URLError:
            if program.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)
    options |= {**QUIET, "listenAddresses": [instance.sync_address]}
    instance.ask("config/options", options, "PUT")
    return instance, program


def serve(ip: str, port: str, folder: str, scratch: str) -> None:
    """Serve the folder for ever."""
    instance, program = start(ip, int(port), scratch)
    marker = min(path.name for path in Path(folder).iterdir())
    instance.share(folder, "sendonly", marker, [instance.device])
    # Its own way to end takes long, and what it would save is thrown away.
    signal.signal(signal.SIGTERM, lambda *_: program.kill())
    program.wait()


def fetch(ip: str, port: str, folder: str, scratch: str, other_ip: str, other_port: str) -> None:
    """Fetch the folder; print the figures."""
    from host import peak_of, used  # beside this file, where it is a program

    source = Instance(other_ip, int(other_port))
    own, program = start(ip, int(port), scratch)
    source.until("config/folders", holds=bool)
    source.until(
        f"db/status?folder={SHARE}",
        holds=lambda told: told["localFiles"] and told["state"] == "idle",
    )
    devices = [source.device, own.device]
    own.meet(source, devices[0])
    source.meet(own, devices[1])
    [shared] = source.ask("config/folders")
    shared["devices"] = [{"deviceID": device} for device in devices]
    source.ask(f"config/folders/{SHARE}", shared, "PUT")
    own.until("system/connections", holds=lambda told: told["connections"][devices[0]]["connected"])
    wanted = source.ask(f"db/status?folder={SHARE}")["localBytes"]
    pid = str(program.pid)
    began, before = time.monotonic(), used(pid)[0]
    own.share(folder, "receiveonly", ".", devices)
    own.until(
        f"db/status?folder={SHARE}",
        holds=lambda told: told["state"] == "idle" and told["localBytes"] == wanted,
    )
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "cpu_s": used(pid)[0] - before,
                "peak_bytes": peak_of(pid),
            }
        )
    )
    program.terminate()
    program.wait()


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "serve":
        serve(*rest)
    else:
        fetch(*rest)
