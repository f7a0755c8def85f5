"""One download by a peer: starts the peer, connects it, downloads a game, and prints the figures.

    python one_download.py GAME ADDR[,ADDR...] COMMAND...

The time is from the command `download` to `download-finished`: every block verified, everything
durable and in its place. CPU seconds are those of the peer meanwhile. It speaks docs/contract.md.
"""

import json
import subprocess
import sys
import time
from typing import Any

from host import peak_of, used  # beside this file


class Peer:
    """A peer behind pipes."""

    def __init__(self, command: list[str]) -> None:
        self.sources = 0  # whose games are known
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, command: str, **arguments: Any) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        print(json.dumps({"cmd": command, "id": command, **arguments}),
              file=self.process.stdin, flush=True)  # fmt: skip

    def until(self, *names: str) -> dict[str, Any]:
        """Read up to one of these events, or the reply of one of these commands."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line: dict[str, Any] = json.loads(text)
            if line["type"] == "error" or "failed" in line.get("event", ""):
                sys.exit(text)
            self.sources += bool(line.get("data", {}).get("game_count"))
            if line.get("event") in names or line.get("id") in names:
                return line
        sys.exit(f"the peer ended before {names}")


def main(game: str, addresses: str, command: list[str]) -> None:
    """Do it."""
    peer = Peer(command)
    peer.until("local-peer-ready")
    sources = addresses.split(",")
    for address in sources:
        peer.tell("connect", addr=address)
        peer.until("connect")
    while peer.sources < len(sources):
        peer.until("remote-library-changed")
    pid = str(peer.process.pid)
    began, before = time.monotonic(), used(pid)[0]
    peer.tell("download", game_id=game, install=False)
    finished = peer.until("download-finished")
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "cpu_s": used(pid)[0] - before,
                "peak_bytes": peak_of(pid),
                "throughput": finished["data"]["throughput"]["mib_per_s"],
            }
        )
    )
    peer.tell("shutdown")
    peer.process.communicate()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
