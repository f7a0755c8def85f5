"""Peers with exactly one behaviour broken: what proves that the scenarios can fail.

Each module is a theme and holds `MUTANTS`, a tuple. A mutant is data and reads like a diff:

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
        noticed_by={"S14": ("chunks by source", "bytes by source")},
    ),

An edit's `old` is text of a file below `peer_cli/` that occurs there exactly once (a test sees to
it); `new` takes its place. Break one behaviour, by as little text as possible, so that the peer
goes on as if nothing was: a mutant that crashes or hangs proves nothing.

`noticed_by` names scenarios, and for each the checks that are meant to turn red: their `what`, as
in `lan.check.equal("chunks by source", ...)`. All of them have to, and a scenario goes on from a
failed check to show the others. Name the checks that are about what is broken; what else turns red
in their wake is recorded by itself. A wait may be named too, by the `what` in its failure; then,
and only then, its deadline is what it takes: `hurry=0.4` shortens all deadlines of that mutant.
`alone=True` is for one that spoils what all scenarios share, such as a fixture.

    ./justw peer-cli-audit --mutant plans-all-on-one

runs it against the scenarios that it names and tells every check that turned red; with `--full`
against all scenarios. `./justw peer-cli-audit S14` runs all mutants that S14 is meant to notice,
and tells which of its checks no mutant has turned red yet: those need one more.
"""
