"""Effects of a download on disk: the old version, names, attributes."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="recovers-only-at-the-start",
        breaks="Recovers nothing in a games folder that it is switched to.",
        edits=(
            Edit(
                "games_folder.py",
                old="await run_to_end(None, partial(self.recover, path))",
                new="pass",
            ),
        ),
        noticed_by={
            "S111": (
                "steps after which no version is whole",
                "steps after which it is not listed",
            ),
        },
    ),
    Mutant(
        name="leaves-a-commit-as-it-is",
        breaks="Does not finish or undo a commit that a crash interrupted.",
        edits=(
            Edit(
                "transfer/recovery.py",
                old="        entry.staging(root, journal).settle()\n",
                new="",
            ),
        ),
        noticed_by={
            "S55": (
                "steps after which no version is whole",
                "steps after which it is not listed",
            ),
            "S111": (
                "steps after which no version is whole",
                "steps after which it is not listed",
            ),
        },
    ),
    Mutant(
        name="knows-updates-by-their-path",
        breaks="Recovers only what was interrupted at the same path.",
        edits=(
            Edit(
                "transfer/recovery.py",
                old="    if journal is not None and entry is not None:\n        entry",
                new="    if journal and entry and entry.root == str(root):\n        entry",
            ),
        ),
        noticed_by={"S111": ("always: no staging left",)},
    ),
    Mutant(
        name="gives-up-the-old-version-first",
        breaks="Removes the old version's version.ini before it has a byte of the new one.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        self._write_journal()\n        self.new.mkdir(",
                new="        (self.root / 'version.ini').unlink(missing_ok=True)\n"
                "        self._write_journal()\n        self.new.mkdir(",
            ),
        ),
        noticed_by={
            "S64": (
                *(
                    f"{what} after {when}"
                    for what in ("the old version", "the client's games")
                    for when in (
                        "a folder cannot be written",
                        "a folder is shut",
                        "the source is lost",
                    )
                ),
                "what others are told of it",
            ),
        },
    ),
    Mutant(
        name="never-undoes-a-commit",
        breaks="Starts a commit without checks, and does not roll it back if it fails.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        check_possible(self.root, aside, wanted)\n        # In",
                new="        # In",
            ),
            Edit(
                "transfer/staging.py",
                old="                commit.undo()\n",
                new="",
            ),
        ),
        noticed_by={
            "S64": (
                "the old version after a folder is shut",
                "the client's games after a folder is shut",
            ),
        },
    ),
    Mutant(
        name="leaves-the-old-versions-files",
        breaks="Keeps files that only the old version had.",
        edits=(
            Edit(
                "transfer/commit.py",
                old="    old = in_the_way | {file.relative_path for file in content.files}\n",
                new="    old = in_the_way\n",
            ),
        ),
        noticed_by={
            "S64": (
                "bf1942 at client is as at spare",
                "bf1942 at reader is as at spare",
            ),
        },
    ),
    Mutant(
        name="shares-no-empty-files",
        breaks="Omits empty files from its manifests.",
        edits=(
            Edit(
                "library/scan.py",
                old="                    files.append(_served_file(relative, status, str(path)))\n",
                new="                    files += [_served_file(relative, status, str(path))]"
                " if status.st_size else []\n",
            ),
        ),
        noticed_by={"S63": ("coh at client is as at source", "chunks")},
    ),
    Mutant(
        name="lowers-names",
        breaks="Commits files under lower-case names.",
        edits=(
            Edit(
                "transfer/commit.py",
                old="(self.new / path).rename(self.root / path)",
                new="(self.new / path).rename(self.root / path.lower())",
            ),
            Edit(
                "transfer/commit.py",
                old="(self.new / parent).rename(self.root / parent)",
                new="(self.new / parent).rename(self.root / parent.lower())",
            ),
            Edit(
                "transfer/commit.py",
                old="        self._check_in_place()\n",
                new="",
            ),
        ),
        noticed_by={"S63": ("coh at client is as at source",)},
    ),
    Mutant(
        name="loses-executable-bits",
        breaks="Drops the executable bit of downloaded files.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        if wanted != mode:\n",
                new="        if False:\n",
            ),
        ),
        noticed_by={"S63": ("what may be executed",)},
    ),
    Mutant(
        name="loses-times",
        breaks="Gives downloaded files the time of their arrival.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        if file.mtime_ns:\n",
                new="        if False:\n",
            ),
        ),
        noticed_by={"S63": ("times",)},
    ),
    Mutant(
        name="deletes-only-shallow-folders",
        breaks="Fails to delete a folder that is nested 500 levels deep.",
        edits=(
            Edit(
                "deletion.py",
                old="            if pending[-1]:\n",
                new="            if len(above) > 500:\n"
                "                raise OSError('too deep')\n"
                "            if pending[-1]:\n",
                package="store",
            ),
        ),
        noticed_by={"S68": ("what is left of the leftovers",)},
    ),
    Mutant(
        name="takes-any-depth",
        breaks="Accepts paths of any depth.",
        edits=(
            Edit(
                "names.py",
                old="    if len(parts) > MAX_DEPTH + 1:\n",
                new="    if False:\n",
                package="store",
            ),
        ),
        noticed_by={
            "S68": (
                "how the install ends",
                "what is left of the install",
                "how the streamed install ends",
                "nothing of the streamed install",
            )
        },
    ),
)
