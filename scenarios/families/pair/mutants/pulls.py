"""Mutants that pull files wrongly."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="spoils-what-it-pulls",
        breaks="Changes the first byte of each block after it was verified.",
        edits=(
            Edit(
                "files/pull.py",
                old="                write_at(part.descriptor, index",
                new="                block[0] ^= 1\n"
                "                write_at(part.descriptor, index",
            ),
        ),
        noticed_by={
            "P1": ("content",),
            "P2": ("content of a.txt", "content of b.txt", "content of noise.bin"),
            "P3": ("content",),
            "P4": ("content",),
            "P5": ("alpha's copy", "bravo's copy"),
            "P9": ("copy",),
            "P10": ("content",),
            "P54": ("contents", "long target"),
        },
    ),
    Mutant(
        name="counts-an-empty-file",
        breaks="Says of an empty file that it had one byte.",
        edits=(Edit("files/pull.py", old=" bytes=entry.size,", new=" bytes=entry.size or 1,"),),
        noticed_by={"P20": ("bytes as told",)},
    ),
    Mutant(
        name="keeps-ended-pulls",
        breaks="Keeps pulls that have ended in the status.",
        edits=(
            Edit("files/pulls.py", old="            if not running.ended\n", new=""),
            Edit(
                "files/pulls.py",
                old="            del self._running[path]\n",
                new="            pass\n",
            ),
        ),
        noticed_by={"P25": ("transfers afterwards",)},
    ),
    Mutant(
        name="fetches-all-anew",
        breaks="Fetches all blocks again when it resumes.",
        edits=(
            Edit("files/target.py", old="            if not held:\n", new="            if True:\n"),
        ),
        noticed_by={"P42": ("share of the file on the wire",), "P46": ("bytes fetched",)},
    ),
    Mutant(
        name="pulls-into-the-target",
        breaks="Collects a file under its real name.",
        edits=(
            Edit(
                "files/target.py",
                old='    name = f"{target.name}.part"\n',
                new="    return target\n",
            ),
            Edit(
                "files/target.py",
                old="            if not self._is(target):\n                raise\n",
                new="            return\n",
            ),
        ),
        noticed_by={"P43": ("half-written targets",)},
    ),
    Mutant(
        name="restarts-in-silence",
        breaks="Does not say that a pull starts afresh because the source has changed.",
        edits=(Edit("files/pull.py", old="if running.restarted_for != root:", new="if False:"),),
        noticed_by={"P42": ("why it starts afresh",)},
    ),
    Mutant(
        name="keeps-its-parts",
        breaks="Leaves the unfinished file beside the one that is whole.",
        edits=(
            Edit(
                "files/target.py",
                old="            return\n        self.path.unlink()\n",
                new="            return\n",
            ),
        ),
        noticed_by={"P43": ("unfinished files",)},
    ),
    Mutant(
        name="makes-the-file-first",
        breaks="Makes the file of a pull before it looks whether the other shares it.",
        edits=(
            Edit(
                "files/commands.py",
                old="        entry = self._tree.get(path)\n"
                "        if entry is None and not self._tree.is_folder(path):\n",
                new="        entry = self._tree.get(path)\n"
                "        if entry is None:\n"
                "            self._target(command.to or path).touch()\n"
                "        if entry is None and not self._tree.is_folder(path):\n",
            ),
        ),
        noticed_by={"P7": ("files of bravo",), "P34": ("files of bravo",)},
    ),
    Mutant(
        name="clears-the-way",
        breaks="Deletes what is in the way of a pull before it looks whether it may.",
        edits=(
            Edit(
                "files/target.py",
                old="    if not overwrite:\n",
                new="    target.unlink()\n    if not overwrite:\n",
            ),
        ),
        noticed_by={"P11": ("what was there",)},
    ),
    Mutant(
        name="hides-a-full-disk",
        breaks="Calls every failure of the disk an error of input and output.",
        edits=(
            Edit(
                "files/pull.py",
                old="_said(error), error.errno or errno.EIO)",
                new="_said(error), errno.EIO)",
            ),
        ),
        noticed_by={"P44": ("error",)},
    ),
)
