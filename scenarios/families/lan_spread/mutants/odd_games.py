"""Long ids, and versions in other encodings."""

from scenarios.audit.mutant import Edit, Mutant

_LONG_ID = "g" * 255

MUTANTS = (
    Mutant(
        name="reads-only-utf-8",
        breaks="Finds no version in a version.ini in UTF-16.",
        edits=(
            Edit("library/scan.py", old='"utf-16" if marked else "utf-8-sig"', new='"utf-8-sig"'),
        ),
        noticed_by={"S107": ("sources of ggoo",)},
    ),
    Mutant(
        name="passes-over-odd-versions",
        breaks="Says nothing of a version.ini that it cannot read, and shares the game.",
        edits=(
            Edit(
                "library/scan.py",
                old='content.problems.append(f"{VERSION_FILE} {error}.")',
                new="pass",
            ),
        ),
        noticed_by={
            "S107": (
                "source's cnc4 has a problem",
                "source's cnc4 is not Ready",
                "lines of the source's stderr about cnc4",
            ),
        },
    ),
    Mutant(
        name="names-journals-by-games",
        breaks="Names the journal of a download by its game's id and a suffix.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="secrets.token_hex(_NAME_BYTES)",
                new="root.name",
            ),
        ),
        noticed_by={"S108": (f"client: download-finished of {_LONG_ID}",)},
    ),
    Mutant(
        name="lists-what-it-removed",
        breaks="Reports a game as removed without removing it.",
        edits=(
            Edit(
                "games.py",
                old="            remove_downloaded(root)\n",
                new="            pass\n",
            ),
        ),
        noticed_by={"S108": ("games of the client",)},
    ),
    Mutant(
        name="removes-nothing-for-ever",
        breaks="Reports an internal error when there is nothing to remove.",
        edits=(
            Edit(
                "games.py",
                old='raise CommandError("nothing-to-remove", f"{game_id} is not downloaded")',
                new='raise CommandError("internal-error", f"{game_id} is not downloaded")',
            ),
        ),
        noticed_by={"S108": ("code of the second removal",)},
    ),
)
