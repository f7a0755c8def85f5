"""The bytes of a download: verification, reports and commit."""

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
        noticed_by={
            "S7": ("always: no chunk finished twice",),
        },
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
        noticed_by={
            "S14": (
                "chunks of the archive",
                "bytes of all chunks",
            ),
        },
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
        noticed_by={
            "S34": (
                "paths of the chunks",
                "offset and length of each chunk",
            ),
        },
    ),
    Mutant(
        name="forgets-the-game-in-the-manifest",
        breaks="Reports the paths in got-game-files without the game.",
        edits=(
            Edit(
                "transfer/download.py",
                old='relative_path=f"{game_id}/{f.path}"',
                new="relative_path=f.path",
            ),
        ),
        noticed_by={
            "S34": ("paths of the manifest",),
        },
    ),
    Mutant(
        name="begins-twice",
        breaks="Emits download-begin before got-game-files, and then again.",
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
        noticed_by={
            "S4": ("order of the download's events",),
        },
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
        noticed_by={
            "S4": ("no install, to the end",),
        },
    ),
    Mutant(
        name="commits-first",
        breaks="Writes version.ini before it requests anything, and leaves it there.",
        edits=(
            Edit(
                "transfer/download.py",
                old="        agreement = await self._agree()\n",
                new="        root = self._games_dir / self._entry.game_id\n"
                "        root.mkdir(exist_ok=True)\n"
                "        (root / 'version.ini').write_text(self._entry.version)\n"
                # Long enough to be seen from outside: a small download is over in milliseconds.
                "        await asyncio.sleep(0.5)\n"
                "        agreement = await self._agree()\n",
            ),
        ),
        noticed_by={
            "S52": ("the client's games after the kill",),
            "S4": ("always: version.ini comes last",),
            "S8": (
                "the client's games",
                "the client's folder, right after the failure",
                "the client's folder, at the end",
            ),
            "S17": (
                "the client's games",
                "no version.ini",
                "names in the client's folder",
            ),
            "S19": (
                "the client's games",
                "no version.ini",
            ),
            "S20": (
                "the client's games",
                "what is on the small disk after the failure",
                "the client's games afterwards",
                "what is on the small disk at the end",
            ),
            "S66": ("the client's games",),
        },
    ),
    Mutant(
        name="commits-into-local",
        breaks="Commits downloaded files into local/.",
        edits=(
            Edit(
                "transfer/commit.py",
                old="(self.new / path).rename(self.root / path)",
                new='_move(self.new / path, self.root / "local" / path)',
            ),
            Edit(
                "transfer/commit.py",
                old="(self.new / parent).rename(self.root / parent)",
                new='_move(self.new / parent, self.root / "local" / parent)',
            ),
            Edit(
                "transfer/commit.py",
                old="        self._check_in_place()\n",
                new="",
            ),
        ),
        noticed_by={
            "S4": (
                "the client's games",
                "no local/",
                "bfbc2 at client is as at bravo",
            ),
            "S7": (
                "the client's games",
                "ggoo at client is as at alpha",
            ),
            "S14": (
                "the client's games",
                "bf1942 at client is as at alpha",
            ),
            "S16": ("alienswarm at client is as at alpha",),
            "S18": (
                "bf1942 at client is as at survivor",
                "the client's games",
            ),
            "S20": ("bfbc2 at reader is as at bravo",),
            "S24": (
                "the games of first",
                "alienswarm at first is as at source",
                "the games of second",
                "alienswarm at second is as at source",
            ),
            "S25": (
                "the client's games",
                "no local/ of bfbc2",
                "bfbc2 at client is as at bravo",
                "no local/ of cnctw",
                "cnctw at client is as at bravo",
            ),
            "S26": (
                "the client's games",
                "alienswarm at client is as at alpha",
            ),
            "S31": ("alienswarm at third is as at origin",),
            "S36": (
                "the client's games",
                "cnc4 at client is as at third",
            ),
            "S71": ("bfbc2 at client is as at everywhere", "ggoo at everywhere is as at client"),
            "S72": ("bfbc2 at client is as at source", "ggoo at source is as at client"),
            "S37": (
                "the client's games",
                "bf1942 at client is as at source",
            ),
        },
    ),
    Mutant(
        name="leaves-a-stray-file",
        breaks="Leaves a file in the root that the sources do not have.",
        edits=(
            Edit(
                "transfer/commit.py",
                old="        (self.new / VERSION_FILE).rename(",
                new="        (self.root / 'download.log').touch()\n"
                "        (self.new / VERSION_FILE).rename(",
            ),
        ),
        noticed_by={
            "S5": ("cnctw at client is as at bravo",),
            "S6": ("bfbc2 at client is as at bravo",),
            "S11": ("bfbc2 at client is as at bravo#2",),
            "S13": (
                "bfbc2 at client is as at bravo",
                "alienswarm at client is as at alpha",
            ),
            "S15": ("cnc4 at client is as at current",),
            "S23": ("cnc4 at client is as at bravo",),
            "S28": ("bfbc2 at client is as at bravo-moved",),
            "S29": ("alienswarm at empty is as at source",),
            "S32": ("cnctw at client is as at bravo",),
            "S34": ("coh at client is as at source",),
            "S66": ("ggoo at client is as at survivor",),
            "S52": ("bf1942 at client#2 is as at source",),
            "S53": ("bf1942 at client is as at source",),
            "S55": ("steps after which it cannot be updated",),
            "S111": ("steps after which it cannot be updated",),
            "S65": ("bf1942 at client is as at other",),
            "S67": ("bf1942 at last is as at source",),
            "S69": ("ggoo at client is as at source", "bf1942 at other is as at source"),
            "S70": ("bf1942 at client is as at other",),
            "S77": ("bf1942 at client is as at spare", "bf1942 at reader is as at spare"),
            "S73": ("ggoo at client is as at whole",),
            "S74": ("bf1942 at client is as at source",),
            "S75": ("ggoo at client is as at source",),
            "S76": ("alienswarm at first-one is as at source",),
            "S107": ("ggoo at client is as at source",),
            "S110": ("ggoo at client is as at source",),
            "S108": (f"{'g' * 255} at client is as at source",),
        },
    ),
    Mutant(
        name="forgets-what-it-had",
        breaks="Fetches everything again after an interruption.",
        edits=(
            Edit(
                "transfer/download.py",
                old="held = await self._on_disk(lambda: staging.held(chunks))",
                new="held = {}",
            ),
        ),
        noticed_by={"S52": ("files that came twice", "only what was missing is fetched")},
    ),
    Mutant(
        name="puts-a-folder-for-a-link",
        breaks="Downloads into a new folder where a game's folder is a link.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="    journal = journal_of(state_dir, root)\n    if",
                new="    if root.is_symlink():\n        root.unlink()\n"
                "    journal = journal_of(state_dir, root)\n    if",
            ),
        ),
        noticed_by={
            "S77": ("the client's folder after a failed update", "whether it is still a link")
        },
    ),
    Mutant(
        name="keeps-its-staging",
        breaks="Leaves its staging folder behind after a download.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="            self.journal.delete()\n            delete_tree(self.folder)\n",
                new="            self.journal.delete()\n",
            ),
        ),
        noticed_by={
            "S4": ("always: no staging left",),
        },
    ),
    Mutant(
        name="keeps-staging-after-a-failure",
        breaks="Leaves its staging folder behind when a download fails.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        delete_tree(self.folder)\n        if self.made_root:\n",
                new="        if self.made_root:\n",
            ),
        ),
        noticed_by={
            "S77": ("the client's folder after a failed update",),
            "S19": ("always: no staging left",),
        },
    ),
    Mutant(
        name="calls-a-loss-a-finish",
        breaks="Reports a download as finished when its last source is lost.",
        edits=(
            Edit(
                "games.py",
                old="            failed = messages.DownloadPeersGone(game_id=game_id)\n",
                new="            none = messages.Throughput(\n"
                "                bytes=0, duration_ms=1, mib_per_s=0, mbit_per_s=0, chunks=0\n"
                "            )\n"
                "            failed = messages.DownloadFinished(game_id=game_id, "
                "throughput=none)\n",
            ),
        ),
        noticed_by={"S19": ("the download fails soon",), "S66": ("none of the others finished",)},
    ),
    Mutant(
        name="swaps-two-blocks",
        breaks="Writes blocks at wrong offsets without verifying them.",
        edits=(
            Edit(
                "transfer/receive.py",
                old="connection.receive_into_file(descriptor, piece.offset, piece.length)",
                new="whole = staging.manifest.files[piece.chunk.file].size\n"
                "                at = whole - piece.offset - piece.length\n"
                "                connection.receive_into_file(descriptor, at, piece.length)",
            ),
            Edit(
                "transfer/verify.py",
                old="return hasher.digest() == expected",
                new="return True",
            ),
        ),
        noticed_by={
            "S13": ("alienswarm at client is as at alpha",),
            "S56": ("bf1942 at client is as at awake",),
            "S58": ("bf1942 at client is as at fast",),
        },
    ),
    Mutant(
        name="skips-verification",
        breaks="Does not verify received bytes; and sends wrong ones itself.",
        edits=(
            Edit(
                "transfer/verify.py",
                old="return hasher.digest() == expected",
                new="return True",
            ),
            Edit(
                "transfer/send.py",
                old="data.send_file(file, wanted.offset, wanted.length)",
                new="data.send_file(file, 0, wanted.length)",
            ),
        ),
        noticed_by={
            "S14": ("bf1942 at client is as at alpha",),
            "S79": ("client: download-failed or download-peers-gone of bf1942",),
        },
    ),
)
