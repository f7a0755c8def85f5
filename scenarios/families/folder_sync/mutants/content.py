"""Mutants that are wrong about content: what is sent, read, written and where."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="sends-what-is-here",
        breaks="Fetches a file although its content is here under another name.",
        edits=(
            Edit(
                "settle.py",
                old="        sources = site.index.holding(entry.hash)\n        if row",
                new="        sources = []\n        if row",
            ),
            Edit(
                "settle.py",
                old="                if leaving and is_free and task.entry.size:",
                new="                if False:",
            ),
        ),
        noticed_by={"F18": ("bravo: file-renamed",)},
        hurry=0.2,
    ),
    Mutant(
        name="sends-small-files-again",
        breaks="Fetches a small file although its content is here under another name.",
        edits=(
            Edit(
                "settle.py",
                old="        sources = site.index.holding(entry.hash)\n        if row",
                new="        sources = site.index.holding(entry.hash) if entry.blocks else []\n"
                "        if row",
            ),
            Edit(
                "settle.py",
                old="                if leaving and is_free and task.entry.size:",
                new="                if leaving and is_free and task.entry.blocks:",
            ),
        ),
        noticed_by={"F18": ("bytes that were sent",)},
    ),
    Mutant(
        name="sends-what-both-have",
        breaks="Fetches a newer version although it has the same content.",
        edits=(
            Edit(
                "order.py",
                old="        if alive and task.row is not None and task.row.entry.same_content(",
                new="        if False and task.row.entry.same_content(",
            ),
            Edit(
                "settle.py",
                old="            incoming.open(sources)",
                new="            incoming.open(())",
            ),
        ),
        noticed_by={"F15": ("bytes that were sent",)},
    ),
    Mutant(
        name="keeps-its-own-mtimes",
        breaks="Keeps its own mtime of a file of which another has a newer one.",
        edits=(
            Edit(
                "batch.py",
                old="            if (ours.executable, ours.mtime_ns)"
                " != (becomes.executable, becomes.mtime_ns):",
                new="            if ours.executable != becomes.executable:",
            ),
        ),
        noticed_by={"F15": ("always: all hold the same",)},
    ),
    Mutant(
        name="sends-whole-files",
        breaks="Fetches all of a file of which one block has changed.",
        edits=(
            Edit(
                "incoming.py",
                old="        for row in sources:\n            if all",
                new="        for row in ():\n            if all",
            ),
        ),
        noticed_by={"F19": ("bytes that were sent",)},
    ),
    Mutant(
        name="sends-what-has-changed",
        breaks="Sends blocks of a file that has changed since it was hashed.",
        edits=(
            Edit(
                "serve.py",
                old="            if Stamp.of(os.fstat(descriptor)) == row.stamp:",
                new="            if True:",
            ),
            Edit(
                "serve.py",
                old="        if len(data) == size and stamp == row.stamp:",
                new="        if len(data) == size:",
            ),
        ),
        noticed_by={"F20": ("nobody is taken for a liar",)},
    ),
    Mutant(
        name="sends-and-takes-mixtures",
        breaks="Sends blocks of a file that has changed, and takes whatever comes of it.",
        edits=(
            Edit(
                "serve.py",
                old="            if Stamp.of(os.fstat(descriptor)) == row.stamp:",
                new="            if True:",
            ),
            Edit(
                "serve.py",
                old="        if len(data) == size and stamp == row.stamp:",
                new="        if len(data) == size:",
            ),
            Edit(
                "incoming.py",
                old="        if block_hash(data) != entry.block_hash(block):\n"
                "            return False\n",
                new="",
            ),
            Edit(
                "incoming.py",
                old="            return self._whole.digest() == self.entry.hash",
                new="            return True",
            ),
        ),
        noticed_by={"F20": ("mixtures while it grows",)},
    ),
    Mutant(
        name="says-nothing-of-a-full-disk",
        breaks="Keeps quiet when there is no room.",
        edits=(
            Edit(
                "settle.py",
                old="            self._site.emit(LowSpace(free_bytes=free))",
                new="            pass",
            ),
        ),
        noticed_by={"F22": ("small: low-space",)},
        hurry=0.4,
    ),
    Mutant(
        name="leaves-what-found-no-room",
        breaks="Leaves the unfinished file of a fetch for which there is no room.",
        edits=(
            Edit(
                "settle.py",
                old="            self.give_up(incoming, keep=not is_full, is_full=is_full)",
                new="            self.give_up(incoming, keep=True, is_full=is_full)",
            ),
        ),
        noticed_by={"F22": ("what is there when it is full",)},
        hurry=0.2,
    ),
    Mutant(
        name="gives-up-for-ever",
        breaks="Never tries again to fetch what it could not.",
        edits=(
            Edit(
                "fetch.py",
                old="        self._later[path] = time.monotonic() + wait_s",
                new="        self._later[path] = time.monotonic() + 1e6",
            ),
        ),
        noticed_by={"F22": ("small: fetch-finished",)},
        hurry=0.4,
    ),
    Mutant(
        name="deletes-nothing",
        breaks="Does not delete what was deleted elsewhere.",
        edits=(
            Edit(
                "place.py",
                old="        if there == NOTHING:\n            return\n        self._last_look",
                new="        if True:\n            return\n        self._last_look",
            ),
        ),
        noticed_by={
            "F18": ("entries at bravo",),
            "F22": ("what is there when there is room",),
        },
    ),
    Mutant(
        name="overwrites-clashing-names",
        breaks="Keeps quiet about a name that this disk holds in another spelling.",
        edits=(
            Edit(
                "place.py",
                old="            if kind is Kind.GONE and not self._tree.holds_name(path):",
                new="            if False:",
            ),
        ),
        noticed_by={"F26": ("folding: name-clash",)},
        hurry=0.4,
    ),
    Mutant(
        name="overwrites-clashing-names-aloud",
        breaks="Tells of a name that this disk holds in another spelling, and overwrites it.",
        edits=(
            Edit(
                "place.py",
                old="        folder, target = self._parent(path)\n"
                "        there = self._last_look(folder, target, path, row)\n"
                "        if keep is not None:\n            self._keep(path, keep)\n"
                "            folder, target = self._parent(path)\n"
                "        if there.kind is Kind.FOLDER:",
                new="        folder, target = self._parent(path)\n        try:\n"
                "            there = self._last_look(folder, target, path, row)\n"
                "        except ClashError:\n"
                "            os.rename(name, target, src_dir_fd=self._temporary,"
                " dst_dir_fd=folder)\n            raise\n"
                "        if keep is not None:\n            self._keep(path, keep)\n"
                "            folder, target = self._parent(path)\n"
                "        if there.kind is Kind.FOLDER:",
            ),
        ),
        noticed_by={"F26": ("which of two names the folding disk has",)},
    ),
    Mutant(
        name="refuses-names-that-differ-in-case",
        breaks="Refuses a name that differs from another in case alone, whatever the disk can.",
        edits=(
            Edit(
                "place.py",
                old='    """Move to a name at which there is nothing, and never over what appears'
                ' there meanwhile."""\n',
                new="    others = map(os.fsencode, os.listdir(folder))\n"
                "    if any(one.lower() == target.lower() for one in others):\n"
                '        raise ClashError("There is such a name.")\n',
            ),
        ),
        noticed_by={"F26": ("names that differ in case or form alone",)},
        hurry=0.4,
    ),
    Mutant(
        name="refuses-capitals-on-folding-disks",
        breaks="Refuses names with capitals on a disk that folds names.",
        edits=(
            Edit(
                "place.py",
                old="        ours = _look(self._temporary, name).stamp\n",
                new="        ours = _look(self._temporary, name).stamp\n"
                "        if target != target.lower()"
                " and _look(self._temporary, name.upper()) != NOTHING:\n"
                '            raise ClashError("This disk folds names.")\n',
            ),
        ),
        noticed_by={"F26": ("what a disk has that folds names",)},
        hurry=0.4,
    ),
    Mutant(
        name="follows-links",
        breaks="Follows links on the way to a file.",
        edits=(
            Edit(
                "tree.py",
                old="_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
                new="_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
            ),
        ),
        noticed_by={"F27": ("what was changed elsewhere",)},
    ),
    Mutant(
        name="hears-a-part",
        breaks="Forgets most of what the system tells it at once.",
        edits=(
            Edit(
                "watch.py",
                old="        return changed\n\n    def add",
                new="        return set(list(changed)[:10])\n\n    def add",
            ),
        ),
        noticed_by={"F28": ("entries at bravo",)},
        hurry=0.2,
    ),
    Mutant(
        name="sends-holes",
        breaks="Fetches zeros like other bytes.",
        edits=(
            Edit(
                "incoming.py",
                old="        for block in range(self.entry.block_count):\n"
                "            if self.entry.block_hash(block) == ZEROS_HASH:",
                new="        for block in range(0):\n"
                "            if self.entry.block_hash(block) == ZEROS_HASH:",
            ),
        ),
        noticed_by={"F29": ("alpha: reply to wait-in-step",)},
        hurry=0.4,
    ),
    Mutant(
        name="sends-the-first-holes",
        breaks="Fetches zeros near the begin of a file like other bytes.",
        edits=(
            Edit(
                "incoming.py",
                old="        for block in range(self.entry.block_count):\n"
                "            if self.entry.block_hash(block) == ZEROS_HASH:",
                new="        for block in range(16, self.entry.block_count):\n"
                "            if self.entry.block_hash(block) == ZEROS_HASH:",
            ),
        ),
        noticed_by={"F29": ("bytes that were sent",)},
    ),
    Mutant(
        name="stores-holes",
        breaks="Takes room on the disk for the first holes of a file.",
        edits=(
            Edit(
                "incoming.py",
                old="            os.ftruncate(self._descriptor, entry.size)\n",
                new="            os.ftruncate(self._descriptor, entry.size)\n"
                "            os.posix_fallocate(self._descriptor, 0, min(entry.size, 1 << 26))\n",
            ),
        ),
        noticed_by={"F29": ("bytes that it takes on the disk",)},
    ),
    Mutant(
        name="reads-all-again",
        breaks="Reads every file anew at each scan.",
        edits=(
            Edit(
                "scan.py",
                old="        if known is None or known != (there.kind, there.stamp):",
                new="        if True:",
            ),
        ),
        noticed_by={"F37": ("files that it could not read",)},
    ),
    Mutant(
        name="forgets-its-index",
        breaks="Begins with a new index at each start.",
        edits=(
            Edit(
                "folder.py",
                old="        try:\n            database = Database(state_dir / INDEX_FILE)",
                new="        (state_dir / INDEX_FILE).unlink(missing_ok=True)\n"
                "        try:\n            database = Database(state_dir / INDEX_FILE)",
            ),
        ),
        noticed_by={
            "F37": ("files that it knows", "files that it could not read", "no new version")
        },
    ),
    Mutant(
        name="takes-what-comes",
        breaks="Believes that what comes is what it asked for.",
        edits=(
            Edit(
                "incoming.py",
                old="        if block_hash(data) != entry.block_hash(block):\n"
                "            return False\n",
                new="",
            ),
        ),
        noticed_by={"F33": ("taker: source-dropped",)},
        hurry=0.4,
    ),
)
