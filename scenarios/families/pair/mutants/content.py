"""Mutants that are wrong about files: their bytes, names, lists, and what is said of them."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="pulls-zeros",
        breaks="Pulls files of the right size that are full of zeros.",
        edits=(
            Edit(
                "files/pull.py",
                old="                write_at(part.descriptor, index * BLOCK_BYTES, block)",
                new="                zeros = memoryview(bytes(len(block)))\n"
                "                write_at(part.descriptor, index * BLOCK_BYTES, zeros)",
            ),
        ),
        noticed_by={
            "P6": ("content",),
            "P19": ("content",),
            "P22": (
                "longer: content",
                "shorter: content",
                "truncated: content",
                "extended: content",
                "with another mode: content",
                "with another time: content",
            ),
            "P37": ("without a relay",),
            "P42": ("content", "content after a change"),
            "P43": ("contents",),
            "P46": ("content",),
            "P47": ("content",),
            "P52": ("content", "content, direct again"),
            "P53": ("content",),
        },
    ),
    Mutant(
        name="reads-zeros-on-the-mount",
        breaks="Reads of the other's files on the mount give zeros.",
        edits=(
            Edit(
                "mount/open_files.py",
                old="parts.append(memoryview(block)[start:stop])",
                new="parts.append(bytes(stop - start))",
            ),
        ),
        noticed_by={
            "P48": ("content", "what is here"),
            "P49": ("content",),
            "P50": ("git status",),
        },
    ),
    Mutant(
        name="announces-no-size",
        breaks="Tells of new files that they are empty.",
        edits=(
            Edit(
                "files/announcer.py",
                old="FileAnnounced(path=news.path, size=entry.size",
                new="FileAnnounced(path=news.path, size=0",
            ),
        ),
        noticed_by={"P1": ("announced size",)},
    ),
    Mutant(
        name="counts-a-byte-too-many",
        breaks="Tells of a pull that it was one byte longer.",
        edits=(
            Edit("files/pull.py", old="    bytes=entry.size,", new="    bytes=entry.size + 1,"),
        ),
        noticed_by={
            "P3": ("bytes as told",),
            "P4": ("bytes as told",),
            "P20": ("bytes as told",),
        },
    ),
    Mutant(
        name="makes-no-empty-files",
        breaks="Does not put an empty file in its place.",
        edits=(
            Edit(
                "files/pull.py",
                old="            part.commit(target, entry, overwrite=record.overwrite)",
                new="            if entry.size:\n"
                "                part.commit(target, entry, overwrite=record.overwrite)",
            ),
        ),
        noticed_by={"P20": ("content",)},
    ),
    Mutant(
        name="shouts-its-hashes",
        breaks="Tells the hash of a file that it has pulled in capital letters.",
        edits=(
            Edit(
                "files/pull.py",
                old="hash=entry.root.hex(),",
                new="hash=entry.root.hex().upper(),",
            ),
        ),
        noticed_by={"P44": ("hash of the smaller",)},
    ),
    Mutant(
        name="cuts-names-short",
        breaks="Leaves the end of long names out of its lists.",
        edits=(
            Edit(
                "files/commands.py",
                old="path=entry.path, size=entry.size, hash",
                new="path=entry.path[:100], size=entry.size, hash",
            ),
        ),
        noticed_by={"P54": ("list",)},
    ),
    Mutant(
        name="hides-its-pulls",
        breaks="Tells of no transfers in its status.",
        edits=(Edit("content.py", old="return self._pulls.rows()", new="return []"),),
        noticed_by={"P25": ("transfers under way",)},
    ),
    Mutant(
        name="takes-names-that-leave-the-folder",
        breaks="Takes names from the other that leave the folder.",
        edits=(
            Edit(
                "files/merge.py",
                old="            check_shared_path(change.path)",
                new='            check_shared_path("x")',
            ),
        ),
        noticed_by={"P45": ("names that are taken",)},
    ),
)
