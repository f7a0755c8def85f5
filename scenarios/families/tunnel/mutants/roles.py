"""Mutants that are wrong about who is active."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="falls-back-after-the-wait",
        breaks="Makes the lowest id active again when the wait of a failover is over.",
        edits=(
            Edit(
                "roles.py",
                old="    return Change(replace(state, waiting=False))",
                new="    lowest = min(state.online, default=None)\n"
                "    return Change(replace(state, waiting=False, active=lowest))",
            ),
        ),
        noticed_by={
            "T5": ("active client",),
            "T27": ("active client",),
            "T36": ("active client",),
            "T52": ("who is active when all is open",),
        },
    ),
    Mutant(
        name="fails-over-to-the-active",
        breaks="Makes a failover of a command to activate the client that is active.",
        edits=(
            Edit(
                "roles.py",
                old="    return Change(state) if client_id == state.active else _failover",
                new="    return _failover",
            ),
        ),
        noticed_by={"T10": ("no failover to the active client",)},
    ),
    Mutant(
        name="tells-of-the-highest",
        breaks="Says in `status` that the client with the highest id is active.",
        edits=(
            Edit(
                "server.py",
                old="            active_client=self._state.active,",
                new="            active_client=max(self._links, default=None),",
            ),
        ),
        noticed_by={
            "T10": ("active client, as before", "active client"),
            **dict.fromkeys(("T68", "T81", "T82"), ("active client",)),
        },
    ),
    Mutant(
        name="takes-probes-for-data",
        breaks="Fails over when a standby's listener takes a connection, before there is any data.",
        edits=(
            Edit(
                "server.py",
                old="        return self._endpoint.asked_for(link, number, tunnel)",
                new="        change = roles.carried_data(self._state, link.client_id, True)\n"
                "        self._carry_out(change)\n"
                "        return self._endpoint.asked_for(link, number, tunnel)",
            ),
        ),
        noticed_by={
            **dict.fromkeys(("T15", "T16", "T17", "T18"), ("no failover by a port probe",)),
            "T79": ("no failover by a port probe", "active client"),
        },
    ),
    Mutant(
        name="waits-once-for-two-failovers",
        breaks="Does not begin the wait again when another failover comes within it.",
        edits=(
            Edit(
                "server.py",
                old="        self._stop_waiting()\n"
                "        self._wait = self._loop.call_later(wait_s, self._reopen_clients)",
                new="        if self._wait is None:\n"
                "            self._wait = self._loop.call_later(wait_s, self._reopen_clients)",
            ),
        ),
        noticed_by={"T52": ("seconds from the second one",)},
    ),
    Mutant(
        name="calls-data-a-command",
        breaks="Says that a command made a client active that data made active.",
        edits=(
            Edit(
                "roles.py",
                old='    return _failover(seen, client_id, "data")',
                new='    return _failover(seen, client_id, "command")',
            ),
        ),
        noticed_by={"T5": ("reason",)},
    ),
    Mutant(
        name="calls-a-command-data",
        breaks="Says that data made a client active that a command made active.",
        edits=(
            Edit(
                "roles.py",
                old='_failover(state, client_id, "command")',
                new='_failover(state, client_id, "data")',
            ),
        ),
        noticed_by={"T76": ("reason",)},
    ),
    Mutant(
        name="calls-a-loss-a-command",
        breaks="Says that a command made a client active after the loss of another one.",
        edits=(
            Edit(
                "roles.py", old='min(after.eligible), "lost"', new='min(after.eligible), "command"'
            ),
        ),
        noticed_by={"T65": ("reason after the kill",)},
    ),
    Mutant(
        name="claims-to-be-the-heir",
        breaks="Takes itself for the active client whenever another one is lost.",
        edits=(
            Edit(
                "client.py",
                old="            self._change_active(role.active_client, role.reason)",
                new='            mine = role.reason == "lost"\n'
                "            heir = self._client_id if mine else role.active_client\n"
                "            self._change_active(heir, role.reason)",
            ),
        ),
        noticed_by={"T65": ("clients that were active at once",)},
    ),
    Mutant(
        name="fails-back",
        breaks="Makes a client with a lower id active when it comes back.",
        edits=(Edit("roles.py", old="not state.settled and client_id", new="client_id"),),
        noticed_by={
            "T65": ("who is active, as all see it", "who was active, one after the other"),
            "T66": ("who is active, as all see it",),
        },
    ),
    Mutant(
        name="drains-by-a-failover",
        breaks="Makes a failover of it when the active client drains.",
        edits=(
            Edit(
                "roles.py",
                old='    return Change(replace(after, active=heir, waiting=waiting), "command")',
                new='    return _failover(after, heir or 0, "command")',
            ),
        ),
        noticed_by={"T76": ("no failover by draining", "messages on the old stream")},
    ),
    Mutant(
        name="fails-over-to-who-is-active",
        breaks="Fails over again when a stream of the active client has carried its first data.",
        edits=(
            Edit(
                "roles.py",
                old="    if not of_its_listener or client_id == state.active or client_id",
                new="    if not of_its_listener or client_id",
            ),
        ),
        noticed_by={"T44": ("failovers",)},
    ),
)
