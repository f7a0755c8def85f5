"""Asks the reference UnRAR what an archive is: a node of its own, beside the peers.

A program that speaks CONTRACT section 1 on stdin and stdout. The peer's image has the reference
tool `unrar`; where there is none, as on many hosts, the reference UnRAR library of the wheel
unrar2-cffi answers instead. It imports nothing of this project.

    python reference_unrar.py ARCHIVE

| command | arguments | data of the result |
|---|---|---|
| `examine` | | `by` who says so, `solid`, `clean` (all checksums match), `names` |
| `shutdown` | | |
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

SOLID_ENTRY = 0x10  # RHDF_SOLID of unrar's dll.hpp, which the binding does not export

Message = Mapping[str, Any]


def by_tool(program: str, archive: str) -> Message:
    """Ask the tool."""
    options = ["-p-", "-cfg-", "-c-", "--", archive]
    listing = subprocess.run(
        [program, "lt", *options], capture_output=True, text=True, check=True
    ).stdout
    fields = [line.strip().partition(": ")[::2] for line in listing.splitlines()]
    test = subprocess.run([program, "t", "-inul", *options], check=False)
    return {
        "by": "unrar",
        "solid": any(key == "Details" and "solid" in value.split(", ") for key, value in fields),
        "clean": test.returncode == 0,
        "names": [value for key, value in fields if key == "Name"],
    }


def by_library(archive: str) -> Message:
    """Ask the library."""
    from unrar.cffi.unrarlib import BadRarFile, RarArchive

    names, solid, clean = [], False, True
    with RarArchive.open_for_processing(archive) as opened:
        for header in opened.iterate_headers():
            names.append(header.FileNameW)
            solid = solid or bool(header.Flags & SOLID_ENTRY)
            try:
                header.test()
            except BadRarFile:
                clean = False
    return {"by": "the UnRAR library", "solid": solid, "clean": clean, "names": names}


def examine(archive: str) -> Message:
    """Ask whichever is there."""
    program = shutil.which("unrar")
    return by_tool(program, archive) if program else by_library(archive)


def main(archive: str) -> None:
    """Take commands from stdin until `shutdown` or its end."""
    say({"type": "event", "event": "ready", "seq": 0, "ts": time.time(), "data": {}})
    for line in sys.stdin:
        request = json.loads(line)
        command, reply = request.get("cmd"), {"type": "result", "id": request.get("id")}
        if command == "shutdown":
            say({**reply, "data": {}})
            return
        if command == "examine":
            say({**reply, "data": examine(archive)})
        else:
            text = f"There is no command {command!r}; there are examine and shutdown."
            say({**reply, "type": "error", "error": text, "code": "unknown-command"})


def say(message: Message) -> None:
    """Write one line."""
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
