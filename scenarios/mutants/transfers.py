"""The bytes of a download: verified, reported, and put on disk."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="reports-a-chunk-twice",
        breaks="Reports every finished chunk twice.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="= self._staging.manifest.game_id\n        self._context.emit(\n",
                new="= self._staging.manifest.game_id\n"
                "        twice = lambda event: (self._context.emit(event), "
                "self._context.emit(event))\n"
                "        twice(\n",
            ),
        ),
        noticed_by={"S7": ("always: no chunk finished twice", "chunks")},
    ),
    Mutant(
        name="reports-a-chunk-too-short",
        breaks="Reports every chunk one byte too short.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                length=chunk.length,\n",
                new="                length=chunk.length - 1,\n",
            ),
        ),
        noticed_by={"S14": (), "S34": ()},
    ),
    Mutant(
        name="forgets-the-game-in-a-path",
        breaks="Reports the path of a chunk's file without the game.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old='relative_path=f"{game_id}/{chunk.path}",',
                new="relative_path=chunk.path,",
            ),
        ),
        noticed_by={"S34": ()},
    ),
    Mutant(
        name="forgets-the-game-in-the-manifest",
        breaks="Tells the paths of got-game-files without the game.",
        edits=(
            Edit(
                "transfer/download.py",
                old='relative_path=f"{game_id}/{f.path}"',
                new="relative_path=f.path",
            ),
        ),
        noticed_by={"S34": ()},
    ),
    Mutant(
        name="begins-twice",
        breaks="Tells download-begin before got-game-files, and then again.",
        edits=(
            Edit(
                "transfer/download.py",
                old="        game_id = self._entry.game_id\n        self._context.emit(\n",
                new="        game_id = self._entry.game_id\n"
                "        total = manifest.total_bytes\n"
                "        early = messages.DownloadBegin(game_id=game_id, total_bytes=total, "
                "sources=[])\n"
                "        self._context.emit(early)\n"
                "        self._context.emit(\n",
            ),
        ),
        noticed_by={"S4": (), "S26": ()},
    ),
    Mutant(
        name="ignores-install-false",
        breaks="Installs after every download.",
        edits=(
            Edit(
                "games.py",
                old="if not install or not self._has_archives(game_id):",
                new="if not self._has_archives(game_id):",
            ),
        ),
        noticed_by={"S4": (), "S6": (), "S25": ()},
    ),
    Mutant(
        name="commits-first",
        breaks="Writes version.ini before it asks anybody for anything, and leaves it there.",
        edits=(
            Edit(
                "transfer/download.py",
                old="        agreement = await self._agree()\n",
                new="        root = self._games_dir / self._entry.game_id\n"
                "        root.mkdir(exist_ok=True)\n"
                "        (root / 'version.ini').write_text(self._entry.version)\n"
                "        agreement = await self._agree()\n",
            ),
        ),
        noticed_by={"S4": (), "S8": (), "S17": (), "S19": (), "S20": ()},
    ),
    Mutant(
        name="commits-into-local",
        breaks="Puts what it has downloaded into local/.",
        edits=(
            Edit(
                "transfer/staging.py",
                old='        *folders, name = relative.split("/")\n',
                new='        *folders, name = ["local", *relative.split("/")]\n',
            ),
        ),
        noticed_by={
            "S4": (),
            "S7": (),
            "S14": (),
            "S16": (),
            "S18": (),
            "S20": (),
            "S24": (),
            "S25": (),
            "S26": (),
            "S31": (),
            "S36": (),
            "S37": (),
        },
    ),
    Mutant(
        name="leaves-a-stray-file",
        breaks="Leaves a file in the root that the sources do not have.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="            _sync_folder(self.root)\n"
                "            self.path(VERSION_FILE).rename(version_file)\n",
                new="            (self.root / 'download.log').touch()\n"
                "            self.path(VERSION_FILE).rename(version_file)\n",
            ),
        ),
        noticed_by={
            "S5": (),
            "S6": (),
            "S11": (),
            "S15": (),
            "S23": (),
            "S28": (),
            "S29": (),
            "S32": (),
            "S34": (),
        },
    ),
    Mutant(
        name="keeps-its-staging",
        breaks="Leaves its staging folder behind after a download.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        shutil.rmtree(self.folder, ignore_errors=True)\n"
                "        self.journal.unlink(missing_ok=True)\n"
                "\n"
                "    def roll_back(",
                new="        self.journal.unlink(missing_ok=True)\n\n    def roll_back(",
            ),
        ),
        noticed_by={"S4": ("always: no staging left",)},
    ),
    Mutant(
        name="swaps-two-blocks",
        breaks="Puts blocks where others belong, and does not look.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="connection.receive_into_file(file, offset, len(block))",
                new="swapped = piece.offset + end - offset - len(block)\n"
                "                        connection.receive_into_file(file, swapped, len(block))",
            ),
            Edit(
                "transfer/fetch.py",
                old="read_block(file, offset, block) and blake3(block).digest() == expected",
                new="True",
            ),
        ),
        noticed_by={"S13": ()},
    ),
    Mutant(
        name="skips-verification",
        breaks="Takes what a source sends for what was agreed; and sends wrong bytes itself.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="read_block(file, offset, block) and blake3(block).digest() == expected",
                new="True",
            ),
            Edit(
                "transfer/serve.py",
                old="data.send_file(file, wanted.offset, wanted.length)",
                new="data.send_file(file, 0, wanted.length)",
            ),
        ),
        noticed_by={"S14": ()},
    ),
)
