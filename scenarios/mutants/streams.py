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
        },
    ),
    Mutant(
        name="installs-half-a-stream",
        breaks="Installs what has come of a stream that failed.",
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
        breaks="Tells its own address as that of an entry's source.",
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
        },
    ),
    Mutant(
        name="forgets-who-sent",
        breaks="Does not tell who has sent an entry.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="            peer_id=self._source.peer_id,\n            peer_addr",
                new="            peer_id='',\n            peer_addr",
            ),
        ),
        noticed_by={
            "S44": ("who sent each entry of css",),
        },
    ),
    Mutant(
        name="names-no-sender",
        breaks="Names no source when a stream begins.",
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
        breaks="Tells length 0 of every entry that has come.",
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
        breaks="Reads an archive as a whole before it unpacks it.",
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
        breaks="Goes on to count a stream that is over.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="            del self._outbound[data]\n",
                new="            if job.ranges:\n                del self._outbound[data]\n",
            ),
        ),
        noticed_by={
            "S39": ("what bravo sends after the stream",),
        },
        hurry=0.4,
    ),
    Mutant(
        name="wipes-what-is-installed",
        breaks="Uninstalls a game when it is told to stream it again.",
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
        breaks="Streams a game that is installed once more.",
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
)
