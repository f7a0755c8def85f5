"""Mutants that do not stand what the tests of the public tcp-over-websocket do."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="shortens-the-wait-of-a-file",
        breaks="Lets a failover last a tenth of the seconds that a file says.",
        edits=(
            Edit(
                "config.py",
                old='        reopen_after_s=values["standbySocketCloseDurationSecs"],',
                new='        reopen_after_s=values["standbySocketCloseDurationSecs"] / 10,',
            ),
        ),
        noticed_by={"T78": ("seconds of the failover",)},
    ),
    Mutant(
        name="waits-for-a-second-piece",
        breaks="Counts only the second data of a stream as its first.",
        edits=(
            Edit(
                "link.py",
                old="        if frame.stream in self._silent and len(frame.payload):",
                new="        if frame.stream in self._silent and "
                "stream.bytes_in > len(frame.payload):",
            ),
        ),
        noticed_by={"T80": ("who is active when the trigger is over",)},
    ),
    Mutant(
        name="gives-idle-streams-up",
        breaks="Ends streams that have carried nothing from one ping to the next.",
        edits=(
            Edit(
                "link.py",
                old="            self._transport.send_ping(_NUMBERS.pack(now))\n        #",
                new="            self._transport.send_ping(_NUMBERS.pack(now))\n"
                '        for number in self._silent & getattr(self, "_idle", set()):\n'
                "            self.streams[number].end(End.TIMEOUT)\n"
                "        self._idle = set(self._silent)\n"
                "        #",
            ),
        ),
        noticed_by={"T82": ("streams that were right",)},
    ),
)
