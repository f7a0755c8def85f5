"""Installs, uninstalls and the first start of a game."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="installs-in-upper-case",
        breaks="Installs every file under an upper-case name.",
        edits=(
            Edit(
                "install/entries.py",
                old="name, copy_of = payload[_ENTRY.size :].decode()",
                new="name, copy_of = payload[_ENTRY.size :].decode().upper()",
            ),
        ),
        noticed_by={
            "S5": ("what is installed of cnctw at client",),
            "S6": ("what is installed of bfbc2 at client",),
            "S32": ("what is installed of cnctw at client",),
            "S33": ("what is installed of cnctw at client",),
            "S38": ("what is installed of css at player",),
            "S39": (
                "what is installed of cnctw at client",
                "entries of cnctw in the order in which they came",
            ),
            "S41": (
                "what is installed of cnctw at client",
                "entries of cnctw in the order in which they came",
            ),
            "S42": (
                "entries of cnctw in the order in which they came",
                "what is installed of cnctw at client",
            ),
            "S44": (
                "what is installed of cod5 at client",
                "what is installed of css at client",
            ),
            "S46": ("what is installed of alienswarm at client",),
        },
    ),
    Mutant(
        name="installs-empty-files",
        breaks="Installs every file empty.",
        edits=(
            Edit(
                "install/extract.py",
                old="            os.close(file.descriptor)\n",
                new="            os.ftruncate(file.descriptor, 0)\n"
                "            os.close(file.descriptor)\n",
            ),
        ),
        noticed_by={
            "S47": (
                "what is installed of cnctw at client",
                "text of the first archive",
                "text of the second archive",
                "what is installed of coh at client",
            ),
            "S54": ("steps after which it cannot be installed",),
        },
    ),
    Mutant(
        name="unpacks-in-place",
        breaks="Unpacks straight into local/.",
        edits=(
            Edit(
                "install/transaction.py",
                old="    staging = root / STAGING\n    try:\n        staging.mkdir()\n",
                new="    staging = root / LOCAL\n    try:\n        staging.mkdir()\n",
            ),
            Edit(
                "install/transaction.py",
                old="        if os.path.lexists(root / LOCAL):\n"
                "            (root / LOCAL).rename(root / BACKUP)\n"
                "        (root / STAGING).rename(root / LOCAL)\n",
                new="",
            ),
        ),
        noticed_by={
            "S54": ("steps after which it is half installed", "steps after which the list is wrong")
        },
    ),
    Mutant(
        name="keeps-the-old-install",
        breaks="Keeps the installed files when it installs again.",
        edits=(
            Edit(
                "install/transaction.py",
                old="        if os.path.lexists(root / LOCAL):\n",
                new="        if os.path.lexists(root / LOCAL):\n            return\n",
            ),
        ),
        noticed_by={
            "S33": ("what is installed of cnctw at client",),
        },
    ),
    Mutant(
        name="uninstalls-nothing",
        breaks="Reports an uninstall without removing anything.",
        edits=(
            Edit(
                "install/transaction.py",
                old="        (root / LOCAL).rename(root / STAGING)\n",
                new="",
            ),
        ),
        noticed_by={
            "S6": ("no local/",),
            "S32": ("no local/ in between",),
        },
    ),
    Mutant(
        name="begins-the-install-twice",
        breaks="Emits install-begin twice.",
        edits=(
            Edit(
                "games.py",
                old="        self._context.emit(messages.InstallBegin(game_id=game_id))\n",
                new="        self._context.emit(messages.InstallBegin(game_id=game_id))\n"
                "        self._context.emit(messages.InstallBegin(game_id=game_id))\n",
            ),
        ),
        noticed_by={
            "S5": ("order of the events",),
        },
    ),
    Mutant(
        name="marks-at-the-install",
        breaks="Writes the first-start marker when it installs.",
        edits=(
            Edit(
                "install/launch_settings.py",
                old="    _marker(state_dir, game_id).unlink(missing_ok=True)\n",
                new="    _marker(state_dir, game_id).parent.mkdir(parents=True, exist_ok=True)\n"
                "    _marker(state_dir, game_id).touch()\n",
            ),
        ),
        noticed_by={
            "S38": (
                "no marker before",
                "first play",
                "account name",
                "language",
                "emulator's file: the name is replaced, everything else is as it was",
                "no marker after the reinstall",
                "play after the reinstall",
            ),
        },
    ),
    Mutant(
        name="keeps-the-mark",
        breaks="Keeps the first-start marker when it reinstalls.",
        edits=(
            Edit(
                "install/launch_settings.py",
                old="    _marker(state_dir, game_id).unlink(missing_ok=True)\n",
                new="    _marker(state_dir, game_id)\n",
            ),
        ),
        noticed_by={
            "S38": ("files after that",),
        },
    ),
    Mutant(
        name="stamps-at-every-play",
        breaks="Writes the launch settings at every play.",
        edits=(Edit("install/launch_settings.py", old="    marker.touch()\n", new=""),),
        noticed_by={
            "S38": (
                "the marker",
                "second play",
                "files after the second play",
                "nothing was written, not even the same",
            ),
        },
    ),
    Mutant(
        name="mends-line-ends",
        breaks="Changes the line ends of the emulator's file.",
        edits=(
            Edit(
                "install/launch_settings.py",
                old="    return changed if count else None\n",
                new='    return changed.replace(b"\\r\\n", b"\\n") if count else None\n',
            ),
        ),
        noticed_by={
            "S38": ("emulator's file: the name is replaced, everything else is as it was",),
        },
    ),
    Mutant(
        name="leaves-its-draft",
        breaks="Leaves the temporary file of a launch setting behind.",
        edits=(
            Edit(
                "install/launch_settings.py",
                old="durable=False, keep_mode=True)",
                new="durable=False, keep_mode=True)\n    aside.write_bytes(text)",
            ),
        ),
        noticed_by={
            "S38": ("files, none more and none less",),
        },
    ),
    Mutant(
        name="refuses-copies",
        breaks="Treats hard links and file references as links that are not installed.",
        edits=(Edit("install/unpack.py", old="_COPIES = (4, 5)", new="_COPIES = ()"),),
        noticed_by={
            "S81": ("client: install of coh finishes",),
        },
    ),
    Mutant(
        name="unpacks-old-versions",
        breaks="Unpacks every version of a file under its numbered name.",
        edits=(
            Edit(
                "install/rar_headers.py",
                old="        if block.is_old_version:\n",
                new="        if block.is_old_version and block.is_end:\n",
            ),
        ),
        noticed_by={
            "S81": (
                "what is installed at client",
                "what is installed at receiver",
                "what is installed with its patch",
            ),
        },
    ),
    Mutant(
        name="keeps-no-executable-bit",
        breaks="Installs every file without the executable bit.",
        edits=(
            Edit(
                "install/extract.py",
                old="            if entry.is_executable:\n",
                new="            if entry.is_executable and entry.name == '':\n",
            ),
        ),
        noticed_by={
            "S81": ("what may be executed at client", "what may be executed at receiver"),
        },
    ),
    Mutant(
        name="keeps-the-whole-mode",
        breaks="Installs executable files with set-user-ID.",
        edits=(
            Edit(
                "install/extract.py",
                old="os.fchmod(file.descriptor, mode |",
                new="os.fchmod(file.descriptor, 0o4000 | mode |",
            ),
        ),
        noticed_by={
            "S81": ("set-user-ID at client", "set-user-ID at receiver"),
        },
    ),
    Mutant(
        name="cuts-times",
        breaks="Truncates modification times to seconds.",
        edits=(
            Edit(
                "install/rar_headers.py",
                old="mtimes.append(block.mtime_ns if",
                new="mtimes.append(block.mtime_ns // 10**9 * 10**9 if",
            ),
        ),
        noticed_by={
            "S81": ("times at client", "times at receiver"),
        },
    ),
    Mutant(
        name="links-copies",
        breaks="Installs a copy as a hard link to its original.",
        edits=(
            Edit(
                "install/extract.py",
                old="        self._files += 1\n",
                new="        self._files += 1\n"
                "        if entry.copy_of:\n"
                "            (self._staging / entry.name).unlink()\n"
                "            os.link(self._staging / entry.copy_of, self._staging / entry.name)\n",
            ),
        ),
        noticed_by={
            "S81": (
                "a copy at client is a file of its own",
                "a copy at receiver is a file of its own",
            ),
        },
    ),
    Mutant(
        name="keeps-what-a-patch-replaces",
        breaks="Keeps a file of an earlier archive when a later one replaces it.",
        edits=(
            Edit(
                "install/extract.py",
                old="            path.unlink()\n"
                "            descriptor = os.open(path, _CREATE, 0o666)\n",
                new="            descriptor = os.open(path.with_name('x'), _CREATE, 0o666)\n"
                "            path.with_name('x').unlink()\n",
            ),
        ),
        noticed_by={
            "S81": ("what is installed with its patch",),
        },
    ),
)
