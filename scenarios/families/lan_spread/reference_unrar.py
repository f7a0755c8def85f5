"""Examines an archive with the reference UnRAR, as a node beside the peers.

A separate program, which command_loop.py runs with the archive's path. The peer's image has
the reference tool `unrar`; without it, as on many hosts, the reference UnRAR library of the wheel
unrar2-cffi answers instead. Imports nothing from this project.

| command | arguments | data of the result |
|---|---|---|
| `examine` | | `by`: the tool, `solid`, `clean` (all checksums match), `names` |
"""

import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

SOLID_ENTRY = 0x10  # RHDF_SOLID in unrar's dll.hpp; the binding does not export it

Message = Mapping[str, Any]


def by_tool(program: str, archive: str) -> Message:
    """Use the tool."""
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
    """Use the library."""
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


class Program:
    """Examines the archive that it is started with."""

    def __init__(self, _emit: object, archive: str) -> None:
        self._archive = archive

    async def examine(self) -> Message:
        """Use the tool if it is installed, else the library."""
        program = shutil.which("unrar")
        return by_tool(program, self._archive) if program else by_library(self._archive)
