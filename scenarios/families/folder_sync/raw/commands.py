"""The commands of the raw nodes of the legacy wire.

A program of its own, which command_loop.py runs with its own IP address and perhaps a folder to
share. It is written from the description of the wire, imports nothing of this project, and needs
only Python.

Commands, with their arguments (the docstrings of the methods say more):

- as a tracker (tracker.py): `track` port; `behave` kind, answers, single; `know` name, addr, mtime;
  `directory`; `hang-up`. Events: `peer-came`, `peer-said` (`text`, and `after_s` seconds since the
  connection or our last answer), `peer-left`
- as a holder of files (holder.py): `serve` port; `hold` name, content, size, seed, announce, sends,
  header, single, gap_s; `ask` addr, request, single; `linger` addr, text, count. Event: `asked`
- as a peer towards a tracker (asker.py): `join` addr; `say` connection, text, single, times; `hear`
  connection; `leave` connection; `take-part` tracker, port. Event: `round-finished` (`files`)

Bytes are texts with one character each.
"""

from pathlib import Path
from typing import Any, ClassVar

from .asker import Asker
from .holder import Holder
from .lines import Emit, Refused
from .tracker import Tracker


class Program:
    """All commands, as command_loop.py runs them."""

    AT_ONCE = True
    REFUSALS: ClassVar = {Refused: ""}

    def __init__(self, emit: Emit, own_ip: str, folder: str | None = None) -> None:
        self.ready: dict[str, Any] = {"addr": own_ip}
        tracker = Tracker(emit, own_ip)
        self.track, self.behave, self.know = tracker.track, tracker.behave, tracker.know
        self.directory, self.hang_up = tracker.directory, tracker.hang_up
        holder = Holder(emit, own_ip)
        self.serve, self.hold = holder.serve, holder.hold
        self.ask, self.linger = holder.ask, holder.linger
        asker = Asker(emit, own_ip, Path(folder) if folder else None)
        self.join, self.say, self.hear = asker.join, asker.say, asker.hear
        self.leave, self.take_part = asker.leave, asker.take_part
