"""Which commands are taken, what is under way, and what is told of it."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="invents-an-operation",
        breaks="Tells of an operation in status that there is not.",
        edits=(
            Edit(
                "peer.py",
                old="            active_operations=self._games.operations.rows(),\n",
                new="            active_operations=[\n"
                "                *self._games.operations.rows(),\n"
                '                messages.ActiveOperation(game_id="cod2", operation="Removing"),\n'
                "            ],\n",
            ),
        ),
        noticed_by={
            "S4": (),
            "S5": (),
            "S6": (),
            "S8": (),
            "S9": (),
            "S17": (),
            "S19": (),
            "S20": (),
            "S25": (),
            "S35": (),
            "S39": (),
            "S41": (),
            "S42": (),
            "S43": (),
            "S44": (),
            "S45": (),
            "S46": (),
            "S47": (),
        },
    ),
    Mutant(
        name="hides-its-operations",
        breaks="Tells of no operation in status.",
        edits=(
            Edit(
                "peer.py",
                old="active_operations=self._games.operations.rows(),",
                new="active_operations=[],",
            ),
        ),
        noticed_by={"S12": (), "S25": (), "S26": (), "S39": ()},
    ),
    Mutant(
        name="accepts-without-a-source",
        breaks="Accepts a download that no peer has the game for.",
        edits=(
            Edit("games.py", old="        if not sources:\n", new="        if sources is None:\n"),
            Edit(
                "transfer/streamed.py",
                old="last = failures[-1][1]",
                new="last = failures[-1][1] if failures else None",
            ),
        ),
        noticed_by={"S9": (), "S19": (), "S22": (), "S23": (), "S40": (), "S45": ()},
    ),
    Mutant(
        name="accepts-beyond-the-catalog",
        breaks="Looks for sources of a game before it looks into the catalog.",
        edits=(
            Edit(
                "games.py",
                old="        if game_id not in self._catalog:\n",
                new="        if game_id in self._catalog and False:\n",
            ),
        ),
        noticed_by={"S35": ()},
    ),
    Mutant(
        name="makes-a-folder-before-it-refuses",
        breaks="Makes the folder of a game before it knows whether it can be had.",
        edits=(
            Edit(
                "games.py",
                old="        if game_id not in self._catalog:\n",
                new="        self._library.root(game_id).mkdir(exist_ok=True)\n"
                "        if game_id not in self._catalog:\n",
            ),
        ),
        noticed_by={"S9": (), "S35": (), "S40": ()},
    ),
    Mutant(
        name="refuses-and-fails",
        breaks="Tells that a download has failed when it refuses the command.",
        edits=(
            Edit(
                "games.py",
                old="        if game_id not in self._catalog:\n",
                new="        if game_id not in self._catalog or not self._sources(game_id):\n"
                "            failed = messages.DownloadFailed(game_id=game_id, code='', "
                "reason='')\n"
                "            self._context.emit(failed)\n"
                "        if game_id not in self._catalog:\n",
            ),
        ),
        noticed_by={"S9": (), "S35": ()},
    ),
    Mutant(
        name="refuses-for-another-reason",
        breaks="Says of a game under an operation that it is busy, and not with what.",
        edits=(
            Edit(
                "operations.py",
                old='f"operation already in progress for {game_id}"',
                new='f"{game_id} is busy"',
            ),
        ),
        noticed_by={"S26": ()},
    ),
    Mutant(
        name="fails-without-a-word",
        breaks="Gives neither code nor reason when a download fails.",
        edits=(
            Edit(
                "games.py",
                old="messages.DownloadFailed(game_id=game_id, code=error.code, reason=str(error))",
                new='messages.DownloadFailed(game_id=game_id, code="", reason="")',
            ),
            Edit(
                "games.py",
                old='code="already-installed", reason=reason',
                new='code="", reason=""',
            ),
        ),
        noticed_by={"S8": (), "S17": (), "S20": (), "S43": (), "S44": ()},
    ),
    Mutant(
        name="tells-everything-again",
        breaks="Tells of a whole download and an install after the end of every operation.",
        edits=(
            Edit(
                "games.py",
                old="        self.operations.end(game_id)\n        self._context.emit(terminal)\n",
                new="        self.operations.end(game_id)\n"
                "        self._context.emit(terminal)\n"
                "        none = messages.Throughput(\n"
                "            bytes=0, duration_ms=1, mib_per_s=0, mbit_per_s=0, chunks=0\n"
                "        )\n"
                "        for event in (\n"
                "            messages.GotGameFiles(game_id=game_id, file_descriptions=[]),\n"
                "            messages.DownloadBegin(game_id=game_id, total_bytes=0, sources=[]),\n"
                "            messages.DownloadProgress(\n"
                "                game_id=game_id, downloaded_bytes=0, total_bytes=0,\n"
                "                bytes_per_second=0, active_peer_count=0,\n"
                "            ),\n"
                "            messages.DownloadChunkFinished(\n"
                "                game_id=game_id, peer_id='', peer_addr='', relative_path='',\n"
                "                offset=0, length=0, ranges=[],\n"
                "            ),\n"
                "            messages.DownloadFinished(game_id=game_id, throughput=none),\n"
                "            messages.DownloadFailed(game_id=game_id, code='', reason=''),\n"
                "            messages.DownloadPeersGone(game_id=game_id),\n"
                "            messages.DownloadCancelled(game_id=game_id),\n"
                "            messages.InstallBegin(game_id=game_id),\n"
                "            messages.InstallFinished(game_id=game_id),\n"
                "            messages.InstallFailed(game_id=game_id, code='', reason=''),\n"
                "        ):\n"
                "            self._context.emit(event)\n",
            ),
        ),
        noticed_by={
            "S4": (),
            "S7": (),
            "S8": (),
            "S17": (),
            "S18": (),
            "S19": (),
            "S20": (),
            "S25": (),
            "S26": (),
            "S32": (),
            "S39": (),
            "S41": (),
            "S42": (),
            "S43": (),
            "S44": (),
            "S45": (),
            "S46": (),
            "S47": (),
        },
    ),
    Mutant(
        name="one-download-at-a-time",
        breaks="Begins a download only when the one before is over.",
        edits=(
            Edit(
                "games.py",
                old="            throughput = await self.operations.interruptible(game_id, "
                "source.run())\n",
                new="            one = self.__dict__.setdefault('_one', asyncio.Lock())\n"
                "            async with one:\n"
                "                throughput = await self.operations.interruptible(\n"
                "                    game_id, source.run()\n"
                "                )\n",
            ),
        ),
        noticed_by={"S25": ()},
    ),
    Mutant(
        name="answers-a-cancel-at-once",
        breaks="Answers a cancel before anything is rolled back.",
        edits=(
            Edit(
                "operations.py",
                old="        running.cancel()\n        part = running.part\n",
                new="        asyncio.get_running_loop().call_later(0.2, running.cancel)\n"
                "        return\n"
                "        part = running.part\n",
            ),
        ),
        noticed_by={"S46": ()},
    ),
    Mutant(
        name="cancels-nothing",
        breaks="Answers a cancel, but goes on.",
        edits=(
            Edit(
                "operations.py",
                old="        running.cancel()\n        part = running.part\n",
                new="        return\n        part = running.part\n",
            ),
        ),
        noticed_by={"S46": ()},
    ),
)
