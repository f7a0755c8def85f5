"""Mutants: peers with exactly one behaviour broken. They prove that the scenarios can fail.

Each module is a theme with a tuple `MUTANTS`. A mutant is data and reads like a diff:

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

An edit replaces `old` by `new` in a file below `peer_cli/`, or with `package="store"` below
another package of the program; `old` must occur there exactly once (a test checks this). Break one
behaviour with as little text as possible, so that the peer otherwise works normally: a mutant that
crashes or hangs proves nothing.

`noticed_by` names scenarios, and for each the checks that must turn red: their `what`, as in
`lan.check.equal("chunks by source", ...)`. In an audit a scenario goes on after a failed check, so
that the others are seen too. Name the checks of the broken behaviour; the audit records by itself
which others fail as a consequence. A wait can be named too, by the `what` in its failure. Such a
mutant runs until that deadline: `hurry=0.4` shortens that one, and no other. `alone=True` is for a
mutant that damages what all scenarios share, such as a fixture.

    ./justw peer-cli-audit --mutant plans-all-on-one

runs it against the scenarios that it names and reports every check that turned red; with `--full`
against all scenarios. `./justw peer-cli-audit S14` runs all mutants that S14 must notice, and
reports which of its checks no mutant has turned red yet: each of those needs a mutant.
"""
