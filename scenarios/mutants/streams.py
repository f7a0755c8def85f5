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
        noticed_by={"S39": (), "S41": (), "S42": (), "S43": (), "S44": (), "S46": (), "S47": ()},
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
        noticed_by={"S42": (), "S44": (), "S45": (), "S46": ()},
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
        noticed_by={"S46": ()},
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
        noticed_by={"S39": (), "S42": (), "S44": ()},
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
        noticed_by={"S39": ()},
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
        noticed_by={"S39": (), "S41": (), "S45": ()},
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
        noticed_by={"S47": ()},
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
        noticed_by={"S42": ()},
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
        noticed_by={"S41": ()},
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
        noticed_by={"S39": (), "S43": (), "S46": ()},
        hurry=0.2,
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
        noticed_by={"S43": ()},
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
        noticed_by={"S43": ()},
    ),
)
