"""Folders that cannot be read, or that another peer uses."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="passes-over-bad-names",
        breaks="Treats a game as complete although one of its file names cannot be sent.",
        edits=(
            Edit(
                "library/scan.py",
                old='problems[relative] = f"{error} Rename it."',
                new="continue",
            ),
        ),
        noticed_by={
            "S73": (
                "half's ggoo has a problem",
                "half's ggoo is not Ready",
                "what half advertises",
                "sources of ggoo",
                "who served",
                "lines of half's stderr about ggoo",
            ),
        },
    ),
    Mutant(
        name="passes-over-closed-folders",
        breaks="Treats a game as complete although a folder in it cannot be read.",
        edits=(
            Edit(
                "library/scan.py",
                old='problems[folder] = _unreadable("folder", folder or ".", error)',
                new="pass",
            ),
        ),
        noticed_by={
            "S74": (
                "source's bf1942 has a problem",
                "source's bf1942 is not Ready",
                "source's bf1942 is not offered",
                "lines of the source's stderr about bf1942",
            ),
        },
    ),
    Mutant(
        name="hides-what-it-cannot-look-into",
        breaks="Hides a game whose folder cannot be read.",
        edits=(
            Edit(
                "library/scan.py",
                old="        if root.name == _LOST_AND_FOUND:\n",
                new="        if root.name:\n",
            ),
        ),
        noticed_by={
            "S75": ("source's css has a problem", "lines of the source's stderr about css"),
        },
    ),
    Mutant(
        name="calls-ready-what-it-cannot-look-into",
        breaks="Reports a game whose folder cannot be read as Ready.",
        edits=(
            Edit(
                "library/scan.py",
                old="LocalGame(root.name, None, False, False, Availability.LOCAL_ONLY, 0, problem)",
                new="LocalGame(root.name, None, False, False, Availability.READY, 0, problem)",
            ),
        ),
        noticed_by={
            "S75": ("source's css is not Ready",),
        },
    ),
    Mutant(
        name="advertises-what-has-a-problem",
        breaks="Advertises games that cannot be read completely.",
        edits=(
            Edit(
                "library/library.py",
                old="if row.id not in hidden and row.problem is msgspec.UNSET",
                new="if row.id not in hidden",
            ),
        ),
        noticed_by={
            "S73": ("what half advertises",),
        },
    ),
    Mutant(
        name="takes-no-lock",
        breaks="Uses folders that another peer uses.",
        edits=(Edit("folder_lock.py", old="if not shared:", new="if not name:", package="store"),),
        noticed_by={
            "S76": (
                "events of a second peer on the games",
                "events of a second peer on the state",
                "lines about the games",
                "lines about the state",
                "who has the games",
                "who has the state",
            ),
        },
    ),
    Mutant(
        name="finds-a-catalog-empty",
        breaks="Treats a catalog in WAL mode as empty if its folder cannot be written.",
        edits=(Edit("catalog.py", old="rows = _rows_without_companions(path)", new="rows = []"),),
        noticed_by={"S110": ("sources of ggoo",)},
    ),
    Mutant(
        name="finds-out-late-that-nothing-is-saved",
        breaks="Does not check at the start that its state folder can be written.",
        edits=(
            Edit(
                "startup.py",
                old="if not os.access(path, os.R_OK | os.W_OK | os.X_OK):",
                new="if not os.access(path, os.R_OK | os.X_OK):",
            ),
        ),
        noticed_by={
            "S109": ("events before it was refused",),
        },
    ),
    Mutant(
        name="says-twice-why-it-cannot-start",
        breaks="Reports what prevents its start in two lines.",
        edits=(
            Edit(
                "program.py",
                old='        print(f"{program.vocabulary.program}: {error}", file=sys.stderr)\n',
                new='        print(f"{program.vocabulary.program}: {error}", file=sys.stderr)\n'
                '        print(f"{program.vocabulary.program} cannot start", file=sys.stderr)\n',
                package="headless",
            ),
        ),
        noticed_by={
            "S76": ("lines about the games", "lines about the state"),
            "S109": ("lines about the state folder",),
        },
    ),
)
