"""How the work of a download is shared among its sources."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="plans-all-on-one",
        breaks="Plans every chunk on the first source.",
        edits=(
            Edit(
                "transfer/plan.py",
                old="source = min(totals, key=lambda s: (totals[s], len(shares[s])))",
                new="source = next(iter(totals))",
            ),
        ),
        noticed_by={
            "S7": ("who served",),
            "S14": ("chunks by source", "bytes by source", "who served"),
            "S16": ("chunks of the archive by source", "who delivered bytes", "who served"),
        },
    ),
    Mutant(
        name="fetches-twice",
        breaks="Plans every chunk on two sources, so that each comes twice.",
        edits=(
            Edit(
                "transfer/plan.py",
                old="        totals[source] += piece.length\n",
                new="        totals[source] += piece.length\n"
                "        for other in totals:\n"
                "            if other != source:\n"
                "                shares[other].append(piece)\n",
            ),
        ),
        noticed_by={"S7": ("always: finished bytes are the manifest's",)},
    ),
)
