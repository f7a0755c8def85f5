"""Mutants that are wrong about meeting: the relay, whom they trust, how they are connected."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="says-it-is-unwell",
        breaks="Tells in its status that the connection is degraded, always.",
        edits=(
            Edit(
                "peer.py",
                old='pairing.line.health if pairing is not None else "disconnected"',
                new='"degraded"',
            ),
        ),
        noticed_by={"P23": ("state",), "P26": ("health",)},
    ),
    Mutant(
        name="repeats-its-health",
        breaks="Tells its health at every heartbeat, changed or not.",
        edits=(
            Edit("line.py", old="        if health != self._health:\n", new="        if True:\n"),
        ),
        noticed_by={"P25": ("changes of health",)},
    ),
    Mutant(
        name="gives-up-too-late",
        breaks="Waits for many more heartbeats before it gives a connection up.",
        edits=(Edit("channel.py", old="MISSES = 3 ", new="MISSES = 25 "),),
        noticed_by={"P26": ("seconds until then",)},
    ),
    Mutant(
        name="calls-everything-direct",
        breaks="Says in its status that it is connected directly, over the bridge too.",
        edits=(
            Edit(
                "peer.py",
                old="mode=channel.mode if channel",
                new='mode="direct" if channel',
            ),
        ),
        noticed_by={"P52": ("mode",)},
    ),
    Mutant(
        name="tells-twice",
        breaks="Tells twice that it has connected.",
        edits=(
            Edit(
                "line.py",
                old="        if not switched:\n",
                new="        for _ in range(0 if switched else 2):\n",
            ),
        ),
        noticed_by={"P53": ("times connected",)},
    ),
    Mutant(
        name="counts-no-heartbeats",
        breaks="Tells of no heartbeats and no round trips.",
        edits=(
            Edit(
                "peer.py",
                old="heartbeats=channel.answered if channel is not None else 0",
                new="heartbeats=0",
            ),
            Edit(
                "peer.py",
                old="rtt_ms=channel.rtt_ms if channel is not None else None",
                new="rtt_ms=None",
            ),
        ),
        noticed_by={"P24": ("heartbeats answered", "round trip in ms")},
    ),
    Mutant(
        name="has-one-reason-for-all",
        breaks="Calls every end of a connection a goodbye.",
        edits=(
            Edit(
                "line.py",
                old="        self._emit_lost(channel.reason)",
                new='        self._emit_lost("left")',
            ),
        ),
        noticed_by={
            "P26": ("why, when silent", "why, when cut"),
            "P28": ("what the other is told",),
            "P46": ("why it is given up",),
        },
    ),
    Mutant(
        name="takes-the-other-for-the-initiator",
        breaks="Tells of a join the wrong initiator.",
        edits=(Edit("peer.py", old="initiator=own < other", new="initiator=own > other"),),
        noticed_by={"P27": ("initiators",)},
    ),
    Mutant(
        name="takes-any-scheme",
        breaks="The relay takes tokens whatever scheme they come with.",
        edits=(
            Edit(
                "relay.py",
                old='    if scheme.lower() != "bearer" or not token:',
                new="    if not token:",
            ),
        ),
        noticed_by={"P29": ("wrong requests",)},
    ),
    Mutant(
        name="says-that-it-was-here",
        breaks="The relay says of what nobody registered that it is gone.",
        edits=(
            Edit(
                "relay.py",
                old='web.HTTPNotFound(text="not registered")',
                new='web.HTTPGone(text="not registered")',
            ),
        ),
        noticed_by={"P30": ("statuses",), "P31": ("the other's",)},
    ),
    Mutant(
        name="knows-one-token",
        breaks="The relay takes all tokens for the same.",
        edits=(
            Edit(
                "entries.py",
                old="hashlib.sha256(secret.encode())",
                new="hashlib.sha256(secret[:0].encode())",
            ),
        ),
        noticed_by={"P31": ("the other's", "both")},
    ),
    Mutant(
        name="takes-itself-for-another",
        breaks="Says of its own fingerprint that it is none.",
        edits=(Edit("peer.py", old='"own-fingerprint", "This', new='"bad-fingerprint", "This'),),
        noticed_by={"P11": ("codes",), "P36": ("codes",)},
    ),
    Mutant(
        name="never-forgets",
        breaks="The relay keeps registrations for ever.",
        edits=(Edit("entries.py", old="if entry.ends_at > now:", new="if entry.ends_at > 0:"),),
        noticed_by={"P37": ("entry that nobody refreshes",)},
    ),
    Mutant(
        name="says-nothing-of-a-dead-relay",
        breaks="Does not tell that the relay cannot be reached.",
        edits=(
            Edit(
                "rendezvous.py",
                old="if str(error) != self._told:",
                new='if str(error) != self._told and error.code != "relay-unreachable":',
            ),
            Edit(
                "pairing.py",
                old="self._emit(ConnectFailed(code=failure.code",
                new='failure.code == "relay-unreachable" or self._emit('
                "ConnectFailed(code=failure.code",
            ),
        ),
        noticed_by={"P37": ("alpha: connect-failed",)},
    ),
    Mutant(
        name="lets-guess",
        breaks="The relay lets anybody guess tokens for a long time.",
        edits=(Edit("entries.py", old="MAX_MISSES = 20 ", new="MAX_MISSES = 2000 "),),
        noticed_by={"P38": ("statuses", "Retry-After")},
    ),
    Mutant(
        name="asks-for-no-proof",
        breaks="The relay lets anybody replace a registration.",
        edits=(
            Edit(
                "entries.py",
                old="if old is not None and not _same(old.proof, shown):",
                new="if old is not None and not _same(old.proof, old.proof):",
            ),
        ),
        noticed_by={"P39": ("with no proof, with another", "own entries")},
    ),
    Mutant(
        name="takes-any-keys",
        breaks="Takes the keys of a registration whatever fingerprint they have.",
        edits=(
            Edit(
                "registration.py",
                old="if keys.fingerprint != fingerprint:",
                new="if keys.fingerprint != keys.fingerprint:",
            ),
        ),
        noticed_by={"P40": ("registrations that are changed",)},
    ),
    Mutant(
        name="logs-what-it-is-asked",
        breaks="The relay writes tokens and registrations into its log.",
        edits=(
            Edit(
                "relay.py",
                old="        body = self._entries.get(token, now)\n",
                new="        body = self._entries.get(token, now)\n"
                "        print(token, body, file=sys.stderr)\n",
            ),
        ),
        noticed_by={"P41": ("tokens in the relay's log", "registrations in the relay's log")},
    ),
)
