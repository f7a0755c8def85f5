"""Mutants that share, announce and list files wrongly."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="announces-what-is-unchanged",
        breaks="Takes a file that is added again for a changed one.",
        edits=(
            Edit(
                "files/folder.py",
                old="if known is not None and known.mine and known.root == hashed.root:",
                new="if False:",
            ),
        ),
        noticed_by={"P6": ("unchanged", "what bravo was told")},
    ),
    Mutant(
        name="lists-each-side-for-both",
        breaks="Lists the files of both sides, whichever is asked for.",
        edits=(
            Edit(
                "files/commands.py",
                old='return entry.mine == (side == "local") and not entry.is_unannounced',
                new="return not entry.is_unannounced",
            ),
        ),
        noticed_by={
            "P8": ("alpha's own", "alpha's of bravo", "bravo's own", "bravo's of alpha"),
            "P45": ("its own files",),
        },
    ),
    Mutant(
        name="keeps-what-the-other-removed",
        breaks="Tells of a removal by the other, but keeps the file in the tree.",
        edits=(
            Edit(
                "files/merge.py",
                old="    else:\n        tree.store(entry)\n    if change.folder",
                new="    elif entry.live:\n        tree.store(entry)\n    if change.folder",
            ),
        ),
        noticed_by={
            "P9": ("what is left", "bravo: pull is refused"),
            "P18": ("list at the other",),
            "P17": ("names after a removal", "what was removed"),
        },
    ),
    Mutant(
        name="names-the-old-name",
        breaks="Tells of a rename with the old name for the new one.",
        edits=(
            Edit(
                "files/merge.py",
                old="change.moved if renamed else",
                new="change.path if renamed else",
            ),
        ),
        noticed_by={"P10": ("new name",)},
    ),
    Mutant(
        name="renames-by-copying",
        breaks="Shares a renamed file under a third name too.",
        edits=(
            Edit(
                "files/folder.py",
                old="            self.tree.publish([moved, gone])",
                new="            third = replace(moved, path=to + '.3', moved='')\n"
                "            self.tree.publish([third, moved, gone])",
            ),
        ),
        noticed_by={"P10": ("list",), "P19": ("list at the other",)},
    ),
    Mutant(
        name="has-one-code-for-folders",
        breaks="Refuses folders with the code of any other error.",
        edits=(
            Edit(
                "files/commands.py",
                old='errno.EISDIR: "is-a-directory"',
                new='errno.EISDIR: "io-error"',
            ),
        ),
        noticed_by={"P11": ("codes",)},
    ),
    Mutant(
        name="says-no-errno",
        breaks="Leaves the errno's name out of what is told to people.",
        edits=(
            Edit(
                "files/commands.py",
                old='f"{path}{text} ({name})"',
                new='f"{path}{text}"',
            ),
        ),
        noticed_by={
            "P6": ("alpha: add is refused",),
            "P7": ("bravo: pull is refused",),
            "P32": ("names it",),
            "P33": ("bravo: pull is refused",),
            "P35": ("unchanged is refused", "changed is refused"),
        },
    ),
    Mutant(
        name="says-the-errno-alone",
        breaks="Leaves the system's words out of what is told to people.",
        edits=(
            Edit(
                "files/commands.py",
                old='f"{path}{text} ({name})"',
                new='f"{path}({name})"',
            ),
        ),
        noticed_by={"P32": ("alpha: add is refused",)},
    ),
    Mutant(
        name="offers-everything",
        breaks="Says of a file that is not shared only that something is wrong.",
        edits=(
            Edit(
                "files/commands.py",
                old='(errno.ENOENT, "no such file or directory", path)',
                new='(errno.ENOENT, "something is wrong")',
            ),
        ),
        noticed_by={"P34": ("bravo: pull is refused",)},
    ),
    Mutant(
        name="loses-an-announcement",
        breaks="Passes over one file when it announces thousands.",
        edits=(
            Edit(
                "files/tree.py",
                old="            assert entry.number is not None\n",
                new="            assert entry.number is not None\n"
                '            if entry.path.endswith("/2500"):\n'
                "                continue\n",
            ),
        ),
        noticed_by={"P47": ("missing", "list afterwards")},
    ),
)
