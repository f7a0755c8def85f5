"""Which commands are accepted, and how operations are reported."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="invents-an-operation",
        breaks="Lists an operation in status that does not exist.",
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
            "S4": ("operations afterwards",),
            "S5": ("operations afterwards",),
            "S6": (
                "operations before install",
                "operations afterwards",
            ),
            "S8": ("operations afterwards",),
            "S9": ("operations afterwards",),
            "S17": ("operations afterwards",),
            "S19": ("operations afterwards",),
            "S20": ("operations afterwards",),
            "S25": (
                "operations in status, with both active",
                "operations afterwards",
            ),
            "S35": ("operations afterwards",),
            "S39": (
                "operations of the client during the stream",
                "operations of client",
            ),
            "S41": ("operations of client",),
            "S42": (
                "operations of client",
                "operations of other after the failure",
            ),
            "S43": ("operations of client",),
            "S44": (
                "operations of client after the first stream of cnctw",
                "operations of client after the second stream of cnctw",
                "operations of client after the first stream of css",
                "operations of client after the second stream of css",
                "operations of client after the first stream of bfbc2",
                "operations of client after the second stream of bfbc2",
                "operations of client",
            ),
            "S45": ("operations of client after the loss",),
            "S46": (
                "operations of client after the cancel",
                "operations of client",
            ),
            "S47": ("operations of client",),
            "S66": ("operations afterwards",),
            "S67": ("operations of the source",),
            "S79": (
                "operations of before",
                "operations of client after the changed stream",
                "operations of client after the changed download",
                "operations of client",
            ),
            "S106": (
                "operations of client",
                "operations of alone after the changed stream",
            ),
            "S80": (
                "operations of client after the lie",
                "operations of client",
            ),
        },
    ),
    Mutant(
        name="hides-its-operations",
        breaks="Lists no operation in status.",
        edits=(
            Edit(
                "peer.py",
                old="active_operations=self._games.operations.rows(),",
                new="active_operations=[],",
            ),
        ),
        noticed_by={
            "S12": ("the operation, all the while",),
            "S26": (
                "operations right behind the command",
                "operations after the refusals",
            ),
        },
    ),
    Mutant(
        name="accepts-without-a-source",
        breaks="Accepts a download of a game that no peer has.",
        edits=(
            Edit("games.py", old="        if not sources:\n", new="        if sources is None:\n"),
            Edit(
                "transfer/streamed.py",
                old="last = failures[-1][1]",
                new="last = failures[-1][1] if failures else None",
            ),
        ),
        noticed_by={
            "S9": (
                "client refuses download: no peers have game cod2",
                "no download",
            ),
            "S19": ("client refuses download: no peers have game bf1942",),
            "S22": ("alpha refuses download: no peers have game cod5",),
            "S23": ("client refuses download: no peers have game cnc4",),
            "S40": (
                "observer refuses download: no peers have game cnctw",
                "observer refuses stream-install: no peers have game cnctw",
                "late refuses download: no peers have game cnctw",
                "late refuses stream-install: no peers have game cnctw",
            ),
            "S45": (
                "client refuses stream-install: no peers have game alienswarm",
                "outcomes of the stream of alienswarm",
            ),
        },
    ),
    Mutant(
        name="accepts-beyond-the-catalog",
        breaks="Looks for sources of a game before it checks the catalog.",
        edits=(
            Edit(
                "games.py",
                old="        if game_id not in self._catalog:\n",
                new="        if game_id in self._catalog and False:\n",
            ),
        ),
        noticed_by={
            "S35": ("client refuses download: game mystery-game is not in the local catalog",),
        },
    ),
    Mutant(
        name="makes-a-folder-before-it-refuses",
        breaks="Creates a game's folder before it checks whether the game is available.",
        edits=(
            Edit(
                "games.py",
                old="        if game_id not in self._catalog:\n",
                new="        self._library.root(game_id).mkdir(exist_ok=True)\n"
                "        if game_id not in self._catalog:\n",
            ),
        ),
        noticed_by={
            "S9": ("the client's folder",),
            "S35": ("folders of the client",),
            "S40": (
                "the folder of observer",
                "the folder of late",
            ),
        },
    ),
    Mutant(
        name="refuses-and-fails",
        breaks="Emits download-failed when it refuses the command.",
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
        noticed_by={
            "S35": ("no event of mystery-game",),
        },
    ),
    Mutant(
        name="refuses-for-another-reason",
        breaks="Refuses a busy game without saying which operation is running.",
        edits=(
            Edit(
                "operations.py",
                old='f"operation already in progress for {game_id}"',
                new='f"{game_id} is busy"',
            ),
        ),
        noticed_by={
            "S26": ("client refuses download: operation already in progress for alienswarm",),
        },
    ),
    Mutant(
        name="fails-without-a-word",
        breaks="Reports a failed download without code or reason.",
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
        noticed_by={
            "S8": (
                "client: code of the failed download of ggoo",
                "the failure has a reason",
            ),
            "S17": ("client: code of the failed download of cnc4",),
            "S20": (
                "client: code of the failed download of alienswarm",
                "the failure has a reason",
            ),
            "S43": (
                "client: code of the failed download of cnctw",
                "the failure has a reason",
            ),
            "S44": (
                "cnctw: the failure has a code",
                "cnctw: the failure has a reason",
                "css: the failure has a code",
                "css: the failure has a reason",
                "bfbc2: the failure has a code",
                "bfbc2: the failure has a reason",
            ),
            "S64": ("client: code of the failed download of bf1942",),
            "S79": ("the failure has a reason",),
        },
    ),
    Mutant(
        name="tells-everything-again",
        breaks="Repeats all events of a download and an install after every one of them.",
        edits=(
            Edit(
                "games.py",
                old="        self.operations.end(game_id)\n        self._context.emit(terminal)\n",
                new="        self.operations.end(game_id)\n"
                "        self._context.emit(terminal)\n"
                # Else the repeats of an uninstall could come during the next install.
                "        if isinstance(terminal, messages.UninstallFinished):\n"
                "            return\n"
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
            "S7": (
                "times finished",
                "no other outcome",
            ),
            "S8": ("nothing came",),
            "S17": (
                "no download-chunk-finished",
                "no download-finished",
                "no install-begin",
            ),
            "S18": (
                "no download-failed",
                "no download-peers-gone",
                "no download-cancelled",
            ),
            "S19": ("never finished",),
            "S20": ("alienswarm never finished",),
            "S25": (
                "no install-begin",
                "no install-finished",
                "no install-failed",
            ),
            "S26": ("how often each event of the download came",),
            "S32": (
                "no got-game-files",
                "no download-begin",
                "no download-progress",
                "no download-chunk-finished",
                "no download-finished",
            ),
            "S39": ("outcomes of the stream of cnctw",),
            "S41": ("outcomes of the stream of cnctw",),
            "S42": ("outcomes of the stream of cnctw",),
            "S43": (
                "outcomes of the stream of cnctw",
                "no download-begin",
                "no download-chunk-finished",
                "no install-begin",
            ),
            "S44": (
                "cnctw: entries before the bad one",
                "outcomes of the stream of cnctw",
                "outcomes of the stream of css",
                "outcomes of the stream of bfbc2",
            ),
            "S45": ("entries that came",),
            "S53": ("how it ends",),
            "S46": (
                "entries that came",
                "outcomes of the stream of alienswarm",
            ),
            "S47": (
                "outcomes of the stream of cnctw",
                "outcomes of the stream of coh",
            ),
            "S79": ("outcomes of the stream of bf1942",),
            "S80": ("outcomes of the stream of bf1942",),
            "S106": ("outcomes of the stream of bf1942",),
        },
    ),
    Mutant(
        name="one-download-at-a-time",
        breaks="Starts a download only when the previous one is over.",
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
        noticed_by={
            "S25": ("both had begun before either was finished",),
        },
    ),
    Mutant(
        name="removes-the-version-only",
        breaks="Removes a game by its version alone, and leaves its files.",
        edits=(
            Edit(
                "transfer/removal.py",
                old="        (root / file.relative_path).unlink(missing_ok=True)\n",
                new="        pass\n",
            ),
        ),
        noticed_by={"S65": ("whether its folder is gone",)},
    ),
)
