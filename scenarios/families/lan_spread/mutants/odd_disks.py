"""Disks that take two names for one, or fail."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="takes-two-names-for-one",
        breaks="Downloads games with names that this disk takes for one.",
        edits=(
            Edit(
                "transfer/staging.py",
                old="        if clash is not None:\n            raise NameClashError(clash)\n",
                new="",
            ),
        ),
        noticed_by={
            "S69": ("how each download ends", "games of which something was fetched"),
        },
    ),
    Mutant(
        name="leaves-what-clashed",
        breaks="Leaves what it created before it noticed that names clash.",
        edits=(
            Edit(
                "transfer/download.py",
                old="        except NameClashError as error:\n"
                "            await self._roll_back(staging)\n",
                new="        except NameClashError as error:\n",
            ),
        ),
        noticed_by={"S69": ("the client's folder",)},
    ),
    Mutant(
        name="calls-every-clash-a-failure",
        breaks="Reports names that clash like a disk that fails.",
        edits=(
            Edit(
                "transfer/download.py",
                old='raise DownloadError("name-clash", f"cannot',
                new='raise DownloadError("write-failed", f"cannot',
            ),
        ),
        noticed_by={"S69": ("how each download ends",)},
    ),
    Mutant(
        name="shrugs-at-a-failing-disk",
        breaks="Goes on offering a game whose file it could not read while it sent.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="            self._library.cannot_read(job.game_id, error)\n",
                new="",
            ),
        ),
        noticed_by={"S70": ("the client is told of what failing offers now",)},
        hurry=0.5,
    ),
    Mutant(
        name="hides-a-failing-disk",
        breaks="No longer offers a game that it cannot read, but does not say why.",
        edits=(
            Edit(
                "library/library.py",
                old='problem = f"The file {error.path.name!a} cannot be read: {error.strerror}."',
                new='problem = ""',
            ),
        ),
        noticed_by={
            "S70": (
                "failing says what is wrong with bf1942",
                "lines of failing's stderr that say it",
            )
        },
    ),
)
