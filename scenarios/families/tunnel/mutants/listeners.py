"""Mutants whose listeners are not open and closed when they should be."""

from scenarios.audit.mutant import Edit, Mutant
from scenarios.families.tunnel.tunnel import FROM_CLIENT, FROM_SERVER

# Scenarios that look at both listeners of the server, and of the new standby.
_THROUGH_FAILOVERS = {
    **dict.fromkeys(("T15", "T16", "T17", "T18"), FROM_SERVER),
    **dict.fromkeys(("T19", "T20", "T21", "T22"), FROM_CLIENT),
}


def of_both(*whats: str) -> dict[str, tuple[str, ...]]:
    """Return by scenario the checks of both tunnels; "{}" is the tunnel's name."""
    return {
        scenario: tuple(what.format(name) for name in names for what in whats)
        for scenario, names in _THROUGH_FAILOVERS.items()
    }


MUTANTS = (
    Mutant(
        name="waits-too-long",
        breaks="Lets a failover last two and a half seconds more than it should.",
        edits=(
            Edit(
                "server.py",
                old="self._loop.call_later(wait_s, self._reopen_clients)",
                new="self._loop.call_later(wait_s + 2.5, self._reopen_clients)",
            ),
        ),
        noticed_by={"T5": ("seconds until all is settled",)},
    ),
    Mutant(
        name="fails-over-slowly",
        breaks="Closes listeners a second and a half after a failover began, and opens them late.",
        edits=(
            Edit(
                "server.py",
                old="        self._endpoint.close_listeners(wait_s)\n",
                new="        self._loop.call_later(1.5, self._endpoint.close_listeners, wait_s)\n",
            ),
            Edit(
                "server.py",
                old="                self._tell_role(link, change.reason, previous)",
                new="                self._loop.call_later(\n"
                "                    1.5 if change.failover else 0.0,\n"
                "                    self._tell_role, link, change.reason\n"
                "                )",
            ),
            Edit(
                "server.py",
                old="self._loop.call_later(wait_s, self._reopen_clients)",
                new="self._loop.call_later(wait_s + 3, self._reopen_clients)",
            ),
        ),
        noticed_by=of_both("seconds until {} closes", "seconds until {} reopens"),
    ),
    Mutant(
        name="keeps-sockets-of-closed-listeners",
        breaks="Says that a listener is closed, and keeps its socket for the next opening.",
        edits=(
            Edit(
                "ports.py",
                old="            self._socket.close()\n            self._socket = None",
                new="            self._kept, self._socket = self._socket, None",
            ),
            Edit(
                "ports.py",
                old="            self._socket = listening_socket(self.host, self.port)",
                new="            kept = getattr(self, '_kept', None)\n"
                "            self._socket = kept or listening_socket(self.host, self.port)",
            ),
        ),
        noticed_by={
            **of_both("{} while it is closed"),
            "T51": ("during the wait",),
            "T76": ("new streams at the one that drains",),
        },
    ),
    Mutant(
        name="comes-back-elsewhere",
        breaks="Opens a listener at another port each time.",
        edits=(
            Edit(
                "ports.py",
                old="            self._socket = listening_socket(self.host, self.port)",
                new="            self._socket = listening_socket(self.host, 0)",
            ),
        ),
        noticed_by=of_both("where {} is", "{} afterwards"),
    ),
    Mutant(
        name="takes-one-connection",
        breaks="Closes a listener when it has taken its first connection.",
        edits=(
            Edit(
                "ports.py",
                old="            self._on_accept(self.tunnel, connection)",
                new="            self._on_accept(self.tunnel, connection)\n"
                "            self.close()",
            ),
        ),
        noticed_by={
            "T75": ("connections that were taken",),
            "T79": ("probes that were taken",),
        },
    ),
    Mutant(
        name="opens-before-the-standbys",
        breaks="Opens the server's listeners before it tells the standbys to open theirs.",
        edits=(
            Edit(
                "server.py",
                old='            self._tell_role(self._links[client_id], "command")',
                new="            self._endpoint.open_listeners()\n"
                "            link = self._links[client_id]\n"
                '            self._loop.call_later(2.0, self._tell_role, link, "command")',
            ),
        ),
        noticed_by={
            **dict.fromkeys(
                ("T19", "T20", "T21", "T22"),
                ("the standby's listeners are open before the server's",),
            ),
            "T81": ("the standby is open when the server is",),
        },
    ),
)
