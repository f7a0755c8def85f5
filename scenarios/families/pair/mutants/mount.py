"""Mutants whose mount reads, writes, lists or ends wrongly."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="reads-backwards",
        breaks="Hands out the other's bytes in reverse order.",
        edits=(
            Edit(
                "mount/open_files.py",
                old="parts.append(memoryview(block)[start:stop])",
                new="parts.append(bytes(memoryview(block)[start:stop])[::-1])",
            ),
        ),
        noticed_by={"P12": ("content", "part"), "P15": ("read",), "P21": ("content",)},
    ),
    Mutant(
        name="writes-backwards",
        breaks="Writes bytes in reverse order.",
        edits=(
            Edit(
                "mount/open_files.py",
                old="            write_at(descriptor, offset, data)\n",
                new="            write_at(descriptor, offset, data[::-1])\n",
            ),
        ),
        noticed_by={
            "P13": ("at the other", "in the own folder"),
            "P14": ("at the other",),
            "P15": ("written",),
            "P16": ("contents",),
            "P50": ("programs", "database", "saved"),
        },
    ),
    Mutant(
        name="lists-a-phantom",
        breaks="Lists a file in every folder that is not there.",
        edits=(
            Edit(
                "mount/operations.py",
                old='        yield "..", {"st_mode": stat.S_IFDIR}, 0\n',
                new='        yield "..", {"st_mode": stat.S_IFDIR}, 0\n'
                '        yield "phantom", {"st_mode": stat.S_IFREG}, 0\n',
            ),
        ),
        noticed_by={"P17": ("names", "names after a removal")},
    ),
    Mutant(
        name="keeps-what-is-deleted",
        breaks="Leaves a file that is deleted on the mount in the shared folder.",
        edits=(Edit("mount/operations.py", old="name, delete=True", new="name, delete=False"),),
        noticed_by={"P18": ("in the own folder",)},
    ),
    Mutant(
        name="ignores-modes",
        breaks="Does not give a file on disk the mode that it gets on the mount.",
        edits=(Edit("mount/operations.py", old="place.chmod(mode)", new="place.stat()"),),
        noticed_by={"P22": ("mode and time",)},
    ),
    Mutant(
        name="rounds-sizes-up",
        breaks="Tells programs the sizes of the other's files in whole sectors.",
        edits=(
            Edit(
                "mount/operations.py",
                old="self._status(mode, entry.size, ",
                new="self._status(mode, -(-entry.size // 512) * 512, ",
            ),
        ),
        noticed_by={"P12": ("size",)},
    ),
    Mutant(
        name="keeps-the-old-end",
        breaks="Does not empty a file that is opened to be overwritten.",
        edits=(
            Edit(
                "mount/operations.py",
                old="        if fi.flags & os.O_TRUNC:\n",
                new="        if False:\n",
            ),
        ),
        noticed_by={"P22": ("sizes",)},
    ),
    Mutant(
        name="reads-too-long",
        breaks="Lets a read wait twice as long for a peer that is away.",
        edits=(Edit("mount/cache.py", old="SILENCE_S = 7.0", new="SILENCE_S = 14.0"),),
        noticed_by={"P48": ("longest in seconds",)},
    ),
    Mutant(
        name="unmounts-what-is-in-use",
        breaks="Detaches a tree from those who use it without being told to.",
        edits=(Edit("mount/mounting.py", old='*(["-z"] if lazy else [])', new='"-z"'),),
        noticed_by={"P49": ("bravo: unmount is refused",)},
    ),
    Mutant(
        name="ends-short",
        breaks="Ends a file where its bytes cannot be had, as if that were its end.",
        edits=(
            Edit(
                "mount/fuse.py",
                old="        except FetchError:\n            return -errno.EIO\n",
                new="        except FetchError:\n            return 0\n",
            ),
        ),
        noticed_by={"P48": ("errors",)},
    ),
    Mutant(
        name="leaves-dead-mounts",
        breaks="Does not look for what a crash left mounted.",
        edits=(
            Edit(
                "mount/mounts.py",
                old="        await asyncio.to_thread(self._release_left_overs)",
                new="        await asyncio.sleep(0)",
            ),
        ),
        noticed_by={"P49": ("what was left",)},
    ),
    Mutant(
        name="knows-no-links",
        breaks="Says of links that they are not supported, instead of not permitted.",
        edits=(
            Edit(
                "mount/operations.py",
                old="    def symlink(self, target: str, source: str) -> int:\n",
                new="    def symlink(self, target: str, source: str) -> int:\n"
                "        raise _error(errno.ENOTSUP, target)\n",
            ),
            Edit(
                "mount/operations.py",
                old="    def link(self, target: str, source: str) -> int:\n",
                new="    def link(self, target: str, source: str) -> int:\n"
                "        raise _error(errno.ENOTSUP, target)\n",
            ),
        ),
        noticed_by={"P50": ("symbolic link", "hard link")},
    ),
    Mutant(
        name="keeps-changed-modes-to-itself",
        breaks="Does not tell the other of changed permission bits and times.",
        edits=(
            Edit(
                "mount/operations.py",
                old='        self._tree.publish([replace(changed, moved="")])\n',
                new="        self._tree.publish([entry])\n",
            ),
        ),
        noticed_by={"P22": ("mode and time",)},
    ),
    Mutant(
        name="caches-by-name-and-size",
        breaks="Takes content of the same name and size for the same.",
        edits=(
            Edit(
                "mount/cache.py",
                old="        key = entry.root, index\n        with",
                new='        key = f"{entry.path} {entry.size}".encode(), index\n        with',
            ),
        ),
        noticed_by={"P51": ("content",)},
    ),
    Mutant(
        name="refuses-modes",
        breaks="Refuses to change the permission bits of a file.",
        edits=(
            Edit(
                "mount/operations.py",
                old='        """Change the permission bits."""\n',
                new='        """Change the permission bits."""\n'
                "        raise _error(errno.EPERM, str(path))\n",
            ),
        ),
        noticed_by={"P22": ("always: a mount does what it is asked",)},
    ),
)
