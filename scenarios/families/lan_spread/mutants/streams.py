"""Installs streamed from a source's archives."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="streams-leave-a-version",
        breaks="Writes a version.ini at the end of a streamed install.",
        edits=(
            Edit(
                "games.py",
                old="                transaction.commit_staging(root, state_dir)\n"
                "            except InstallError:\n",
                new="                transaction.commit_staging(root, state_dir)\n"
                "                (root / 'version.ini').write_text("
                "self._catalog[game_id].version)\n"
                "            except InstallError:\n",
            ),
        ),
        noticed_by={
            "S39": (
                "the games of client",
                "what the root of cnctw holds at client",
            ),
            "S41": (
                "the games of client",
                "what the root of cnctw holds at client",
                "what the root of css holds at client",
            ),
            "S42": (
                "the games of client",
                "what the root of cnctw holds at client",
            ),
            "S43": (
                "the games of client",
                "what the root of cnctw holds at client",
            ),
            "S44": (
                "what the root of cod5 holds at client",
                "what the root of css holds at client",
            ),
            "S46": (
                "the games of client",
                "what the root of alienswarm holds at client",
            ),
            "S47": (
                "the games of client",
                "what the root of cnctw holds at client",
                "what the root of coh holds at client",
            ),
            "S79": (
                "the games of before",
                "what the root of bf1942 holds at before",
                "the games of client",
                "what the root of bf1942 holds at client",
            ),
            "S106": (
                "the games of client",
                "what the root of bf1942 holds at client",
            ),
            "S80": (
                "the games of client",
                "what the root of bf1942 holds at client",
            ),
        },
    ),
    Mutant(
        name="installs-half-a-stream",
        breaks="Installs what a failed stream has delivered.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="        transaction.discard_staging(self._root)\n",
                new="        (self._root / transaction.STAGING).rename("
                "self._root / transaction.LOCAL)\n",
            ),
        ),
        noticed_by={
            "S42": (
                "the folder of other after the failure",
                "the games of other after the failure",
                "the games of other",
            ),
            "S44": (
                "the folder of client after the first stream of cnctw",
                "the games of client after the first stream of cnctw",
                "the folder of client after the second stream of cnctw",
                "the games of client after the second stream of cnctw",
                "the folder of client after the first stream of css",
                "the games of client after the first stream of css",
                "the folder of client after the second stream of css",
                "the games of client after the second stream of css",
                "css: entries before the bad one",
                "the folder of client after the first stream of bfbc2",
                "the games of client after the first stream of bfbc2",
                "the folder of client after the second stream of bfbc2",
                "the games of client after the second stream of bfbc2",
                "bfbc2: entries before the bad one",
                "the games of client",
            ),
            "S45": (
                "the folder of client after the loss",
                "the games of client after the loss",
                "the client's folder, at the end",
            ),
            "S46": (
                "the games of client when the reply has come",
                "the folder of client after the cancel",
                "the games of client after the cancel",
            ),
            "S79": (
                "the folder of client after the changed stream",
                "the games of client after the changed stream",
            ),
        },
    ),
    Mutant(
        name="stages-elsewhere",
        breaks="Stages installs under a name that is not reserved.",
        edits=(
            Edit(
                "install/transaction.py",
                old='STAGING = ".local.installing"',
                new='STAGING = ".local.new"',
            ),
        ),
        noticed_by={
            "S46": ("the first entry is staged",),
        },
    ),
    Mutant(
        name="credits-the-wrong-sender",
        breaks="Reports its own address as an entry's source.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="            peer_addr=str(self._source.addr),\n",
                new="            peer_addr=self._source.session.local_ip,\n",
            ),
        ),
        noticed_by={
            "S39": ("who served",),
            "S42": ("who served",),
            "S80": ("who served",),
        },
    ),
    Mutant(
        name="forgets-who-sent",
        breaks="Does not report the source of an entry.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="            peer_id=self._source.peer_id,\n            peer_addr",
                new="            peer_id='',\n            peer_addr",
            ),
        ),
        noticed_by={
            "S44": ("who sent each entry of css",),
            "S79": ("who sent the last entry",),
        },
    ),
    Mutant(
        name="names-no-sender",
        breaks="Lists no source when a stream begins.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="sources=[messages.SourceRow(peer_id=self._source.peer_id, "
                "addr=str(self._source.addr))],",
                new="sources=[],",
            ),
        ),
        noticed_by={
            "S39": ("sources of download-begin",),
        },
    ),
    Mutant(
        name="tells-empty-entries",
        breaks="Reports length 0 for every entry.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="            length=size,\n",
                new="            length=0,\n",
            ),
        ),
        noticed_by={
            "S39": ("bytes of the chunks",),
            "S41": ("bytes of the chunks",),
            "S45": ("the entry after which alpha was killed",),
        },
    ),
    Mutant(
        name="streams-archives-backwards",
        breaks="Unpacks the archives of a game in descending order.",
        edits=(
            Edit(
                "install/transaction.py",
                old="and path.resolve().is_relative_to(home)\n    )\n",
                new="and path.resolve().is_relative_to(home)\n    )[::-1]\n",
            ),
        ),
        noticed_by={
            "S47": (
                "entries of cnctw in the order in which they came",
                "entries of coh in the order in which they came",
            ),
        },
    ),
    Mutant(
        name="asks-the-last-first",
        breaks="Asks its sources in descending order.",
        edits=(
            Edit(
                "network/peers.py",
                old="key=lambda peer: peer.addr.sort_key())",
                new="key=lambda peer: peer.addr.sort_key(), reverse=True)",
            ),
        ),
        noticed_by={
            "S42": ("who served",),
        },
    ),
    Mutant(
        name="reads-the-archive-twice",
        breaks="Reads a whole archive before it unpacks it.",
        edits=(
            Edit(
                "install/unpack.py",
                old="        writer.archive(path)\n        unpack(",
                new="        writer.archive(path)\n        path.read_bytes()\n        unpack(",
            ),
        ),
        noticed_by={
            "S41": ("bytes read of the archive",),
        },
    ),
    Mutant(
        name="never-counts-down",
        breaks="Continues to count a stream that is over.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="            del self._outbound[data]\n",
                new="            if job.ranges:\n                del self._outbound[data]\n",
            ),
        ),
        noticed_by={
            "S39": ("what bravo sends after the stream",),
            "S79": ("source sends nothing any more",),
        },
        hurry=0.4,
    ),
    Mutant(
        name="wipes-what-is-installed",
        breaks="Uninstalls an installed game when told to stream it again.",
        edits=(
            Edit(
                "games.py",
                old='            reason = f"{game_id} is already installed; uninstall it first"\n',
                new='            reason = f"{game_id} is already installed; '
                'uninstall it first"\n'
                "            transaction.uninstall(self._library.root(game_id))\n",
            ),
        ),
        noticed_by={
            "S43": (
                "the client's games",
                "files that were touched",
                "what is installed of cnctw at client",
            ),
        },
    ),
    Mutant(
        name="streams-over-an-install",
        breaks="Streams an installed game once more.",
        edits=(
            Edit(
                "games.py",
                old="        if game is not None and game.installed:\n            reason = f",
                new="        if game is None and game_id == '':\n            reason = f",
            ),
        ),
        noticed_by={
            "S43": ("client: download-failed of cnctw",),
        },
    ),
    Mutant(
        name="writes-zeros",
        breaks="Writes zeros instead of the verified bytes.",
        edits=(
            Edit(
                "install/extract.py",
                old="        self.received_bytes += len(data)\n        try:\n",
                new="        self.received_bytes += len(data)\n"
                "        data = memoryview(bytes(len(data)))\n        try:\n",
            ),
        ),
        noticed_by={
            "S39": ("what is installed of cnctw at client",),
            "S79": (
                "the last entry, through the relay",
                "the last entry, from the next source",
            ),
        },
    ),
)
