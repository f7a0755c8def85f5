"""A capture of what a node sends and receives, for Wireshark and its like, by tcpdump."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scenarios.core.backends.base import BackendError

# Headers only: what peers send each other is encrypted, and a download would fill the disk.
BYTES_PER_PACKET = 128
STOPS_WITHIN_S = 5.0


class Tcpdump:
    """A capture that runs until it is stopped."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def stop(self) -> None:
        """End it with a whole file; again: no effect.

        What came in the last moment and was not read yet is lost: stop it after the nodes.
        """
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def start_capture(
    interface: str, address: str, file: Path, environment: Mapping[str, str]
) -> Tcpdump:
    """Begin to write the packets of an IP address on an interface; return when it has begun.

    Raises BackendError when there is no tcpdump, or it may not.
    """
    tool = shutil.which("tcpdump")
    if tool is None:
        raise BackendError(
            "A capture needs tcpdump, which is not installed (Debian, Ubuntu: apt install tcpdump)."
        )
    # Debian's drops to a user of its own, who may not write here.
    stay_root = ["-Z", "root"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [
            tool, "-i", interface, "-n", "-U", "--immediate-mode", "-s", str(BYTES_PER_PACKET),
            *stay_root, "-w", str(file), "host", address,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C reaches the runner only
    )  # fmt: skip
    assert process.stderr
    said = []
    for line in process.stderr:
        if "listening on" in line:
            return Tcpdump(process)
        said.append(line.strip())
    process.wait()
    raise BackendError(
        f"tcpdump cannot capture on {interface}: {'; '.join(said) or 'it ended at once'}. It needs "
        "root, or the capability: setcap cap_net_raw,cap_net_admin=eip on its file."
    )
