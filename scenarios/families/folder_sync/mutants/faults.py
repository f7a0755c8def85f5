"""Mutants that do not survive what others do: kills, and sources that are lost."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="makes-names-first",
        breaks="Makes an empty file under the real name before the content takes its place.",
        edits=(
            Edit(
                "place.py",
                old="        if there.kind in (Kind.FILE, Kind.LINK):\n"
                "            os.rename(name, target, src_dir_fd=self._temporary,",
                new="        if there.kind in (Kind.FILE, Kind.LINK):\n"
                "            made = os.O_WRONLY | os.O_TRUNC\n"
                "            os.close(os.open(target, made, dir_fd=folder))\n"
                "            os.rename(name, target, src_dir_fd=self._temporary,",
            ),
        ),
        noticed_by={"F23": ("what is not as it should be",)},
    ),
    Mutant(
        name="enters-deletions-first",
        breaks="Enters a deletion into the index before the file is deleted.",
        edits=(
            Edit(
                "batch.py",
                old="                try:\n                    self.placer.delete(task.row)",
                new="                try:\n"
                "                    with self._site.database.transaction():\n"
                '                        self._site.put(task.becomes, None, "deleted")\n'
                "                    self.placer.delete(task.row)",
            ),
        ),
        noticed_by={"F23": ("what is not as it should be",)},
    ),
    Mutant(
        name="asks-one-holder",
        breaks="Asks only one of those who have a large file.",
        edits=(
            Edit(
                "fetch.py",
                old="        holders = online.intersection(need.holders)\n",
                new="        holders = {min(online.intersection(need.holders))}\n",
            ),
            Edit(
                "fetch.py",
                old="            self.sources.add_holders(job, holders)",
                new="            del holders",
            ),
        ),
        noticed_by={"F32": ("who sent it",)},
    ),
    Mutant(
        name="tells-nobody-as-source",
        breaks="Does not note from whom a block came.",
        edits=(Edit("plan.py", old="        item.job.came_from.add(peer_id)\n", new=""),),
        noticed_by={"F32": ("who sent it",), "F33": ("who sent it",)},
    ),
    Mutant(
        name="waits-for-the-dead",
        breaks="Does not ask others for what a lost holder was asked for.",
        edits=(
            Edit(
                "plan.py",
                old="            if job.asked.pop(block, None) is not None and job in self._jobs:",
                new="            if False:",
            ),
        ),
        noticed_by={"F32": ("second: fetch-finished",)},
        hurry=0.4,
    ),
    Mutant(
        name="is-silent-for-a-block",
        breaks="Sends nothing of a block until the limit lets all of it pass.",
        edits=(
            Edit(
                "dataline.py",
                old="limiter.slice_size(min(len(rest), PIECE_BYTES))",
                new="len(rest)",
            ),
        ),
        noticed_by={"F39": ("bravo: fetch-finished",)},
        hurry=0.5,
    ),
    Mutant(
        name="leaves-lost-blocks-out",
        breaks="Takes a file for whole without the blocks that a lost holder did not send.",
        edits=(
            Edit(
                "plan.py",
                old="                job.missing.add(block)\n"
                "                self._open[job] = None",
                new="                job.fetched_bytes += 0",
            ),
            Edit(
                "incoming.py",
                old="            if self._descriptor is None or not all(self._have):\n"
                "                return False\n",
                new="            if self._descriptor is not None:\n                return True\n",
            ),
        ),
        noticed_by={"F32": ("always: all hold the same",)},
    ),
)
