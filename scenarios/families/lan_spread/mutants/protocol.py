"""Stdout, stderr and exit: the always-on checks of every node."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="skips-a-seq",
        breaks="Numbers its events 0, 2, 4, …",
        edits=(
            Edit(
                "output.py",
                old="self._next_seq += 1",
                new="self._next_seq += 2",
                package="headless",
            ),
        ),
        noticed_by={
            "S1": ("always: gapless seq",),
        },
    ),
    Mutant(
        name="chats-on-stdout",
        breaks="Writes a line on stdout that is not a message.",
        edits=(
            Edit(
                "output.py",
                old='return self._encoder.encode(told) + b"\\n"',
                new='return self._encoder.encode(told) + b"\\nsent\\n"',
                package="headless",
            ),
        ),
        noticed_by={
            "S1": ("always: only protocol lines on stdout",),
        },
    ),
    Mutant(
        name="replies-twice",
        breaks="Replies twice to every successful command.",
        edits=(
            Edit(
                "dispatch.py",
                old="            self._output.result(request_id, result)\n",
                new="            self._output.result(request_id, result)\n"
                "            self._output.result(request_id, result)\n",
                package="headless",
            ),
        ),
        noticed_by={
            "S1": ("always: one reply per command",),
        },
    ),
    Mutant(
        name="talks-after-shutdown",
        breaks="Writes other lines than events after the reply to shutdown.",
        edits=(
            Edit(
                "dispatch.py",
                old="            self._leaving.set()\n",
                new="            self._leaving.set()\n"
                '            self._output.result("bye", Empty())\n',
                package="headless",
            ),
        ),
        noticed_by={
            "S1": ("always: only events after shutdown",),
        },
    ),
    Mutant(
        name="exits-with-1",
        breaks="Exits with 1 after a shutdown.",
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
        breaks="Writes a traceback to stderr when it shuts down.",
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
        breaks="Reports the port in --listen, 0, instead of the actual one.",
        edits=(
            Edit(
                "port.py",
                old="Address(ip, listening.getsockname()[1])",
                new="Address(ip, wanted.port)",
                package="network",
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
                "port.py",
                old="primary_ip(*families) if bound.is_unspecified else str(bound)",
                new='"0.0.0.0"',
                package="network",
            ),
        ),
        noticed_by={
            "S1": ("IP of the ready address",),
        },
    ),
    Mutant(
        name="names-itself-by-id",
        breaks="Reports its id as its name.",
        edits=(Edit("startup.py", old="name=settings.name,", new="name=identity.peer_id,"),),
        noticed_by={
            "S1": ("name in local-peer-ready",),
        },
    ),
    Mutant(
        name="hides-its-protocol",
        breaks="Omits the protocol in local-peer-ready.",
        edits=(
            Edit(
                "output.py",
                old='self._encoder.encode(told) + b"\\n"',
                new='self._encoder.encode(told).replace(b\'"protocol"\', b\'"speaks"\') + b"\\n"',
                package="headless",
            ),
        ),
        noticed_by={
            "S1": ("local-peer-ready tells the protocol",),
        },
    ),
    Mutant(
        name="status-of-another",
        breaks="Reports its name as its id in status.",
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
