"""Mutants that are wrong about folders that vanish."""

from scenarios.audit.mutant import Edit, Mutant


def _deletes_and_halts(if_code: str) -> tuple[Edit, ...]:
    """Return edits that tell others, before `halted` is told, that all files are deleted."""
    return (
        Edit(
            "site.py",
            old="from sync_cli.model import OWN_FOLDER, Entry, Kind",
            new="from sync_cli.model import OWN_FOLDER, Entry, Kind, advanced",
        ),
        Edit(
            "site.py",
            old="                self.emit(Halted(code=code, reason=reason))",
            new=f"""\
                self.unheard = [Halted(code=code, reason=reason)]
                if {if_code}:
                    own = self.database.index_id
                    with self.database.transaction():
                        for path, _ in self.index.alive_below(b""):
                            number = self.database.sequence + 1
                            version = self.index.row(path).entry.version
                            deletion = Entry(
                                path=path, kind=Kind.GONE, maker=own, made=number,
                                version=advanced(version, own, number),
                                author=self.peer_id, edited_ns=self.now_ns(),
                            )
                            self.put(deletion, None, "deleted here")
                    self.changed()""",
        ),
        # It is looked every two seconds whether the folder is there. That is when the event is
        # told, if anybody has done as it was told.
        Edit(
            "site.py",
            old="            try:\n                if self._tree is None or not",
            new="""\
            heard = max((peer.their_settled for peer in self.peers.all()), default=0)
            while getattr(self, "unheard", ()) and heard >= self.database.sequence:
                self.emit(self.unheard.pop())
            try:
                if self._tree is None or not""",
        ),
    )


MUTANTS = (
    Mutant(
        name="never-halts",
        breaks="Takes an empty folder, and one that lost most of its files, for what they are.",
        edits=(
            Edit(
                "record.py",
                old="        if lost and together > _FEW and",
                new="        if False and",
            ),
        ),
        noticed_by={"F21": ("bravo: halted",)},
        hurry=0.4,
    ),
    Mutant(
        name="deletes-a-lost-folder",
        breaks="Halts when its folder or the marker is gone, but tells others of deletions first.",
        edits=_deletes_and_halts("code in (FOLDER_GONE, MARKER_GONE)"),
        noticed_by={
            "F21": (
                "what others lack while it is away",
                "what all lack when it is back",
                "what others lack without its marker",
            )
        },
        hurry=0.4,
    ),
    Mutant(
        name="deletes-when-many-are-gone",
        breaks="Halts when many files are gone at once, but tells others of deletions first.",
        edits=_deletes_and_halts("code == MANY_GONE"),
        noticed_by={"F21": ("what alpha lacks when 20 of 31 are gone",)},
    ),
    Mutant(
        name="halts-again",
        breaks="Halts again when it is told that what is gone is meant to be.",
        edits=(
            Edit(
                "folder.py",
                old="                site.allow_gone = True",
                new="                site.allow_gone = False",
            ),
        ),
        noticed_by={"F21": ("what both have on resume",)},
        hurry=0.2,
    ),
)
