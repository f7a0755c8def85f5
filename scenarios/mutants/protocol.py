"""What a peer writes on stdout and stderr, and how it ends: the always-on checks of every node."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="skips-a-seq",
        breaks="Numbers its events 0, 2, 4, …",
        edits=(Edit("console.py", old="self._next_seq += 1", new="self._next_seq += 2"),),
        noticed_by={
            "S1": ("always: gapless seq",),
        },
    ),
    Mutant(
        name="chats-on-stdout",
        breaks="Writes a line on stdout that is no message.",
        edits=(
            Edit(
                "console.py",
                old='encoded = self._encoder.encode(line) + b"\\n"',
                new='encoded = self._encoder.encode(line) + b"\\nsent\\n"',
            ),
        ),
        noticed_by={
            "S1": ("always: only protocol lines on stdout",),
        },
    ),
    Mutant(
        name="replies-twice",
        breaks="Replies twice to every command that is carried out.",
        edits=(
            Edit(
                "commands.py",
                old="            self._output.result(request_id, result)\n",
                new="            self._output.result(request_id, result)\n"
                "            self._output.result(request_id, result)\n",
            ),
        ),
        noticed_by={
            "S1": ("always: one reply per command",),
        },
    ),
    Mutant(
        name="talks-after-shutdown",
        breaks="Says more than events after the reply to shutdown.",
        edits=(
            Edit(
                "commands.py",
                old="                self._leaving.set()\n",
                new="                self._leaving.set()\n"
                '                self._output.result("bye", messages.Empty())\n',
            ),
        ),
        noticed_by={
            "S1": ("always: only events after shutdown",),
        },
    ),
    Mutant(
        name="exits-with-1",
        breaks="Ends with exit code 1 after a shutdown.",
        edits=(
            Edit(
                "peer.py",
                old="        self._index.close()\n",
                new="        self._index.close()\n"
                "        import atexit, os\n\n"
                "        atexit.register(os._exit, 1)\n",
            ),
        ),
        noticed_by={
            "S1": ("always: right exit code",),
        },
    ),
    Mutant(
        name="leaves-a-traceback",
        breaks="Stumbles while it shuts down, and says so on stderr.",
        edits=(
            Edit(
                "peer.py",
                old="        self._index.close()\n",
                new="        self._index.close()\n"
                '        print("Traceback (most recent call last):", file=sys.stderr)\n',
            ),
        ),
        noticed_by={
            "S1": ("always: no traceback on stderr",),
        },
    ),
    Mutant(
        name="speaks-before-it-is-ready",
        breaks="Its first event is not local-peer-ready.",
        edits=(
            Edit(
                "startup.py",
                old="        messages.LocalPeerReady(\n",
                new="        messages.ActiveOperationsChanged(active_operations=[])\n"
                "    )\n"
                "    emit(\n"
                "        messages.LocalPeerReady(\n",
            ),
        ),
        noticed_by={
            "S1": ("first event",),
        },
    ),
    Mutant(
        name="tells-the-port-it-was-given",
        breaks="Reports the port that --listen asks for, 0, not the one it got.",
        edits=(
            Edit(
                "startup.py",
                old="Address(ip, listening.getsockname()[1])",
                new="Address(ip, settings.listen.port)",
            ),
        ),
        noticed_by={
            "S1": ("port of the ready address",),
        },
    ),
    Mutant(
        name="tells-any-address",
        breaks="Reports 0.0.0.0 as its address.",
        edits=(
            Edit(
                "startup.py",
                old="primary_ip() if bound.is_unspecified else str(bound)",
                new='"0.0.0.0"',
            ),
        ),
        noticed_by={
            "S1": ("IP of the ready address",),
        },
    ),
    Mutant(
        name="names-itself-by-id",
        breaks="Says its id where its name belongs.",
        edits=(Edit("startup.py", old="name=settings.name,", new="name=identity.peer_id,"),),
        noticed_by={
            "S1": ("name in local-peer-ready",),
        },
    ),
    Mutant(
        name="hides-its-protocol",
        breaks="Does not tell the protocol in local-peer-ready.",
        edits=(
            Edit(
                "console.py",
                old='self._encoder.encode(line) + b"\\n"',
                new='self._encoder.encode(line).replace(b\'"protocol"\', b\'"speaks"\') + b"\\n"',
            ),
        ),
        noticed_by={
            "S1": ("local-peer-ready tells the protocol",),
        },
    ),
    Mutant(
        name="status-of-another",
        breaks="Tells its name as its id in status.",
        edits=(
            Edit(
                "peer.py",
                old="=self._identity.peer_id,\n            name=self._settings.name,",
                new="=self._settings.name,\n            name=self._settings.name,",
            ),
        ),
        noticed_by={
            "S1": ("status tells the same id, name and address as local-peer-ready",),
            "S27": ("alpha's id",),
        },
    ),
)
