"""Mutants that are wrong at the edges: ends, wrong requests, strangers, eavesdroppers."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="tells-the-wrong-dialler",
        breaks="Says of a connection that the other side dialled it, and the other way round.",
        edits=(
            Edit(
                "pairing.py",
                old='initiated=role == "dialling"',
                new='initiated=role != "dialling"',
            ),
        ),
        noticed_by={"P27": ("whether it dialled",)},
    ),
    Mutant(
        name="drops-what-is-unfinished",
        breaks="Deletes unfinished files when it ends.",
        edits=(
            Edit(
                "files/pull.py",
                old="                self.tell_cancelled(running)\n",
                new="                self.tell_cancelled(running)\n"
                "            else:\n"
                "                Path(running.record.part).unlink()\n",
            ),
        ),
        noticed_by={"P28": ("unfinished files",)},
    ),
    Mutant(
        name="answers-with-200-always",
        breaks="The relay answers a registration with 200.",
        edits=(Edit("relay.py", old=", status=201)", new=", status=200)"),),
        noticed_by={"P29": ("register",)},
    ),
    Mutant(
        name="shouts",
        breaks="The relay answers with the registration in capital letters.",
        edits=(
            Edit("relay.py", old="web.Response(body=body,", new="web.Response(body=body.upper(),"),
        ),
        noticed_by={"P29": ("fetch",)},
    ),
    Mutant(
        name="sees-nobody",
        breaks="The relay forgets at once who was there.",
        edits=(Edit("entries.py", old="now - at <= PRESENCE_S", new="now - at < 0"),),
        noticed_by={"P29": ("presence before, told, after",)},
    ),
    Mutant(
        name="has-no-healthz",
        breaks="The relay has its page for operators at another place.",
        edits=(Edit("relay.py", old='add_get("/healthz",', new='add_get("/health",'),),
        noticed_by={"P30": ("healthz",)},
    ),
    Mutant(
        name="counts-by-token",
        breaks="The relay's metrics are by token.",
        edits=(
            Edit(
                "relay.py",
                old='request.path if request.path in _PATHS else "other"',
                new='request.headers.get("Authorization", "other")',
            ),
        ),
        noticed_by={"P31": ("metrics name no token",)},
    ),
    Mutant(
        name="joins-anybody",
        breaks="Says yes to fingerprints that are none, and to its own.",
        edits=(
            Edit(
                "peer.py",
                old='            raise CommandError("bad-fingerprint"',
                new="            return messages.JoinResult(fingerprint=own, initiator=False)\n"
                '            raise CommandError("bad-fingerprint"',
            ),
            Edit(
                "peer.py",
                old="        if other == own:\n",
                new="        if other == own:\n"
                "            return messages.JoinResult(fingerprint=own, initiator=False)\n",
            ),
        ),
        noticed_by={
            "P36": (
                "empty: refused",
                "short: refused",
                "long: refused",
                "letters: refused",
                "own: refused",
            )
        },
    ),
    Mutant(
        name="refreshes-too-late",
        breaks="Refreshes its registration at the same time whatever the relay says.",
        edits=(Edit("rendezvous.py", old="min(REFRESH_S, ttl_s / 2)", new="REFRESH_S"),),
        noticed_by={"P37": ("entry after its time",)},
    ),
    Mutant(
        name="denies-its-connection",
        breaks="Says that it connects when it is connected.",
        edits=(
            Edit(
                "pairing.py",
                old='return "connected" if self.line',
                new='return "connecting" if self.line',
            ),
        ),
        noticed_by={"P38": ("the pair",)},
    ),
    Mutant(
        name="hides-failed-handshakes",
        breaks="Says of a handshake that failed that the other cannot be reached.",
        edits=(Edit("handshake.py", old='"handshake-failed", text', new='"unreachable", text'),),
        noticed_by={"P40": ("a mirror", "handshakes that are changed")},
    ),
    Mutant(
        name="says-connected-too-soon",
        breaks="Tells of a connection before the other has proven who it is.",
        edits=(
            Edit(
                "line.py",
                old="        if self.channel is None or self.channel.closed:\n",
                new="        if self.channel is None or self.channel.closed:\n"
                "            self._output.emit(\n"
                "                messages.PeerConnected(\n"
                "                    fingerprint=self._fingerprint,\n"
                '                    mode=mode, addr="", initiated=True,\n'
                "                )\n"
                "            )\n",
            ),
        ),
        noticed_by={"P40": ("connections so far", "connections in the end")},
    ),
    Mutant(
        name="keeps-strangers",
        breaks="Lets those who connect to a connected peer wait.",
        edits=(
            Edit(
                "pairing.py",
                old="        try:\n"
                '            await self._prove(connection, "accepting", "direct", str(origin)',
                new="        if self.line.connected.is_set():\n"
                "            await self.line.disconnected.wait()\n"
                "        try:\n"
                '            await self._prove(connection, "accepting", "direct", str(origin)',
            ),
        ),
        noticed_by={"P40": ("a replay is hung up on",)},
    ),
    Mutant(
        name="seals-nothing",
        breaks="Sends frames as they are, with a tag of zeros.",
        edits=(
            Edit(
                "sealing.py",
                old="        self._cipher.encrypt_into(self._nonce(), plain, head, out)\n",
                new="        out[:] = bytes(plain) + bytes(TAG_BYTES)\n",
            ),
            Edit(
                "sealing.py",
                old="            self._cipher.decrypt_into(self._nonce(), sealed, head, out)\n",
                new="            out[:] = sealed[:-TAG_BYTES]\n",
            ),
        ),
        noticed_by={"P41": ("names seen", "content seen")},
    ),
    Mutant(
        name="proves-with-its-fingerprint",
        breaks="Shows the relay its fingerprint as its proof.",
        edits=(
            Edit(
                "rendezvous.py",
                old="self._keys.proof(self._token)",
                new="self._keys.fingerprint",
            ),
        ),
        noticed_by={"P41": ("fingerprints seen",)},
    ),
    Mutant(
        name="makes-room-anywhere",
        breaks="Makes an empty file for what is announced, wherever its name points.",
        edits=(
            Edit(
                "content.py",
                old="                await self._announcer.announced(channel, announce)\n",
                new="                for change in announce.changes:\n"
                '                    if change.path.startswith("../"):\n'
                "                        (self._folder.folder / change.path).touch()\n"
                "                await self._announcer.announced(channel, announce)\n",
            ),
        ),
        noticed_by={"P45": ("what is beside the folder",)},
    ),
    Mutant(
        name="remembers-too-much",
        breaks="Keeps some kilobytes of each announcement in memory.",
        edits=(
            Edit(
                "files/merge.py",
                old="changes: Sequence[Change], other_wins_ties: bool) -> Iterator[News]:\n"
                "    for change in changes:\n",
                new="changes: Sequence[Change], other_wins_ties: bool, kept=[])"
                " -> Iterator[News]:\n"
                "    for change in changes:\n"
                '        kept.append(b"%d" % change.clock * 1200)\n',
            ),
        ),
        noticed_by={"P45": ("memory in bytes",)},
    ),
    Mutant(
        name="leaves-its-mounts",
        breaks="Does not unmount when it ends.",
        edits=(
            Edit(
                "mount/mounts.py",
                old="            await asyncio.to_thread(_end, path, thread)\n",
                new="",
            ),
        ),
        noticed_by={"P12": ("always: nothing stays mounted",)},
    ),
)
