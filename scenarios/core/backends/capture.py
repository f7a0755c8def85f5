"""Captures a node's packets with tcpdump, for Wireshark and similar tools."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scenarios.core.backends.base import BackendError

# Headers only: the payload is mostly encrypted, and a download would fill the disk.
BYTES_PER_PACKET = 128
WHOLE_PACKET = 0  # as tcpdump has it
STOPS_WITHIN_S = 5.0


class Tcpdump:
    """A capture that runs until stopped."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def stop(self) -> None:
        """Stop it; the file is then complete. Idempotent.

        Packets that tcpdump has not read yet are lost: stop it after the nodes.
        """
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def can_capture() -> bool:
    """Whether there is a tcpdump, and this is root, which may use it."""
    return os.geteuid() == 0 and shutil.which("tcpdump") is not None


def start_capture(
    interface: str,
    address: str,
    file: Path,
    environment: Mapping[str, str],
    *,
    whole: bool = False,
) -> Tcpdump:
    """Start to capture the packets of an IP address on an interface; return once it runs.

    Raises BackendError if tcpdump is missing or lacks permission.
    """
    tool = shutil.which("tcpdump")
    if tool is None:
        raise BackendError(
            "A capture needs tcpdump, which is not installed (Debian, Ubuntu: apt install tcpdump)."
        )
    # Debian's tcpdump drops to its own user, which may not write here.
    stay_root = ["-Z", "root"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [
            tool, "-i", interface, "-n", "-U", "--immediate-mode",
            "-s", str(WHOLE_PACKET if whole else BYTES_PER_PACKET),
            *stay_root, "-w", str(file), "host", address,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C reaches only the runner
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
