"""Runs a peer and tells, between its commands, how much it has read: seen from outside.

    python metered.py COMMAND...

Everything on stdin goes to the command, everything that it writes goes out as it is, and its exit
code is passed on. Only the line with `"cmd": "bytes-read"` is answered here: `bytes` is what the
command's process, with its threads and every child that it has waited for, has read from files and
pipes so far, as Linux counts it (`rchar` of proc_pid_io(5); sockets and splice are not in it). On
other systems the answer is an error, `not-told-here`.
It imports nothing of this project.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


def main(command: list[str]) -> int:
    """Run the command to its end and return its exit code."""
    with subprocess.Popen(command, stdin=subprocess.PIPE) as peer:
        signal.signal(signal.SIGTERM, lambda *_: peer.terminate())
        threading.Thread(target=pass_on, args=(peer,), daemon=True).start()
        return peer.wait()


def pass_on(peer: "subprocess.Popen[bytes]") -> None:
    """Pass stdin on to the peer, line by line, but for the one command."""
    assert peer.stdin is not None
    with contextlib.suppress(BrokenPipeError), peer.stdin:  # it has ended
        for line in sys.stdin.buffer:
            if b'"bytes-read"' in line:
                answer(json.loads(line), peer.pid)
            else:
                peer.stdin.write(line)
                peer.stdin.flush()


def answer(request: dict[str, object], pid: int) -> None:
    """Write the reply, in one piece, between the lines of the peer."""
    reply: dict[str, object] = {"type": "result", "id": request.get("id")}
    try:
        fields = Path(f"/proc/{pid}/io").read_text(encoding="ascii").split()
        reply["data"] = {"bytes": int(fields[fields.index("rchar:") + 1])}
    except OSError as error:
        text = f"This system does not say what a process has read: {error}"
        reply |= {"type": "error", "error": text, "code": "not-told-here"}
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Not sys.exit: the thread waits for stdin, and would make the interpreter's end a crash.
    os._exit(main(sys.argv[1:]))
