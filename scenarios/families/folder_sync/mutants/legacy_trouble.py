"""Mutants that are wrong about legacy trackers and peers that fail or are hostile."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="places-what-came",
        breaks="Puts a file in its place even if the source ended too early.",
        edits=(
            Edit(
                "legacy/files.py",
                old="            self._path.unlink(missing_ok=True)\n",
                new="            if self._path.exists():\n"
                "                self._path.rename(self._folder / self._name)\n",
            ),
        ),
        noticed_by={"F7": ("its files then",)},
    ),
    Mutant(
        name="adds-to-what-is-left",
        breaks="Leaves the part of a file that came, and adds the whole file to it later.",
        edits=(
            Edit(
                "legacy/fetch.py",
                old="                if count == 0:\n",
                new="                if count == 0:\n"
                "                    incoming.write(memory[:filled], offset)\n",
            ),
            Edit(
                "legacy/files.py",
                old="_ASIDE / secrets.token_hex(8)\n",
                new="_ASIDE / name\n",
            ),
            Edit("legacy/files.py", old="os.O_CREAT | os.O_EXCL", new="os.O_CREAT | os.O_APPEND"),
            Edit(
                "legacy/files.py",
                old="            self._path.unlink(missing_ok=True)\n",
                new="",
            ),
            Edit(
                "legacy/files.py",
                old="    delete_tree(reserved / _ASIDE)\n",
                new="    reserved.exists()\n",
            ),
        ),
        noticed_by={"F7": ("parts of files", "the file when it is whole")},
    ),
    Mutant(
        name="ends-as-if-asked-to",
        breaks="Says that the tracker is lost, and ends as if it had been told to.",
        edits=(Edit("ending.py", old="EXIT_FAILED = 1", new="EXIT_FAILED = 0"),),
        noticed_by={"F8": ("exit codes", "always: right exit code")},
    ),
    Mutant(
        name="complains-twice",
        breaks="Says twice why it ends.",
        edits=(
            Edit(
                "ending.py",
                old="            report(text)\n",
                new="            report(text)\n            report(text)\n",
            ),
        ),
        noticed_by={"F8": ("lines on stderr",)},
    ),
    Mutant(
        name="leaves-a-note",
        breaks="Writes into the folder, and into its own there, why it has ended.",
        edits=(
            Edit(
                "legacy/peer.py",
                old="            self._ending.fail(str(error))",
                new='            (self._folder / ".sync").mkdir(exist_ok=True)\n'
                '            for name in ("lost.log", ".sync/lost.log"):\n'
                "                (self._folder / name).write_text(str(error))\n"
                "            self._ending.fail(str(error))",
            ),
        ),
        noticed_by={"F8": ("their files", "parts of files")},
    ),
    Mutant(
        name="serves-nobody-after-nonsense",
        breaks="Serves nobody any more after a request that it refuses.",
        edits=(
            Edit(
                "legacy/serve.py",
                old="        try:\n            if opened is not None:",
                new="        if opened is None:\n"
                '            self._folder /= "nowhere"\n'
                "        try:\n            if opened is not None:",
            ),
        ),
        noticed_by={"F9": ("what others get",)},
    ),
    Mutant(
        name="cuts-names",
        breaks="Cuts the folders off the names of the directory, and takes the files.",
        edits=(
            Edit(
                "legacy/wire.py",
                old="if not _is_text(name) or not is_exchanged(name):",
                new='if not _is_text(name) or not is_exchanged(name.rpartition("/")[2]):',
            ),
            Edit(
                "legacy/files.py",
                old="        self._name = name\n",
                new='        self._name = name.rpartition("/")[2]\n',
            ),
        ),
        noticed_by={"F9": ("its files",)},
    ),
    Mutant(
        name="tells-where-peers-come-from",
        breaks="As a tracker, tells the port that a peer has connected from, not where it serves.",
        edits=(
            Edit(
                "legacy/desk.py",
                old="place = Place(origin.ip, announced.port)",
                new="place = Place(origin.ip, origin.port)",
            ),
        ),
        noticed_by={"F9": ("what an honest one is told",)},
    ),
    Mutant(
        name="forgets-files-at-a-keepalive",
        breaks="As a tracker, takes a message without files for one that says there are none.",
        edits=(
            Edit(
                "legacy/desk.py",
                old="        if announced.files is not None:\n"
                "            left_out = self._directory.announce(place, announced.files)",
                new="        if self._directory.forget(place) or announced.files is not None:\n"
                "            left_out = self._directory.announce(place, announced.files or {})",
            ),
        ),
        noticed_by={"F9": ("what the honest ones are told then",)},
    ),
)
