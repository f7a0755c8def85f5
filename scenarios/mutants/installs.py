"""Installs, uninstalls and the first start of a game."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="installs-in-upper-case",
        breaks="Installs every file under its name in capitals.",
        edits=(
            Edit(
                "install/entries.py",
                old="name = payload[_ENTRY.size :].decode()",
                new="name = payload[_ENTRY.size :].decode().upper()",
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
        },
    ),
    Mutant(
        name="keeps-the-old-install",
        breaks="Keeps what is installed when it installs again.",
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
        breaks="Tells that a game is uninstalled, and leaves it.",
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
        breaks="Tells install-begin twice.",
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
        breaks="Leaves the mark of the first start when it installs.",
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
        breaks="Keeps the mark of the first start when it installs anew.",
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
        breaks="Stamps the launch settings at every play.",
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
        breaks="Writes the emulator's file with other line ends.",
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
        breaks="Leaves the draft of a stamped file behind.",
        edits=(
            Edit(
                "install/launch_settings.py",
                old="    aside.replace(path)",
                new="    shutil.copyfile(aside, path)",
            ),
        ),
        noticed_by={
            "S38": ("files, none more and none less",),
        },
    ),
)
