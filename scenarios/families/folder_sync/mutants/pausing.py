"""Mutants that are wrong about pausing."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="fetches-on-while-paused",
        breaks="Ends what it fetches when it is told to pause at its end only.",
        edits=(
            Edit(
                "fetch.py",
                old="            if self._folder.paused:",
                new="            if False:",
            ),
        ),
        noticed_by={"F38": ("bravo: fetch-failed",)},
        hurry=0.4,
    ),
    Mutant(
        name="goes-on-by-itself",
        breaks="Ends what it fetches when it is told to pause, and goes on at once.",
        edits=(
            Edit(
                "fetch.py",
                old="            if self._folder.paused:",
                new="            if self._folder.paused:\n"
                "                self._folder._site.paused = False\n"
                "                sources.later(0.01)",
            ),
        ),
        noticed_by={"F38": ("what it begins to fetch while it is paused",)},
        hurry=0.4,
    ),
    Mutant(
        name="does-not-say-that-it-is-paused",
        breaks="Says that it is not paused.",
        edits=(
            Edit(
                "peer.py",
                old="            paused=self._folder.paused,",
                new="            paused=False,",
            ),
        ),
        noticed_by={"F38": ("whether it says that it is paused",)},
    ),
    Mutant(
        name="throws-away-what-a-pause-stops",
        breaks="Deletes what has come of a file when it is told to pause.",
        edits=(
            Edit(
                "fetch.py",
                old="_USELESS = {GONE,",
                new="_USELESS = {PAUSED, GONE,",
            ),
        ),
        noticed_by={"F38": ("all of it, and some of it had come before",)},
    ),
)
