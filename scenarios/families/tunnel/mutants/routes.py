"""Mutants that take streams where they do not belong."""

from scenarios.audit.mutant import Edit, Mutant

_ACTIVE, _STANDBY = "target of the active client", "target of the standby"

MUTANTS = (
    Mutant(
        name="routes-to-a-standby",
        breaks="Asks a client that stands by for the streams of the server's listeners.",
        edits=(
            Edit(
                "server.py",
                old="        return self._links.get(self._state.active) "
                "if self._state.active is not None else None",
                new="        standbys = (one for one in self._links if one != self._state.active)\n"
                "        return self._links.get(next(standbys, 0))",
            ),
        ),
        noticed_by={
            "T1": (_ACTIVE, _STANDBY),
            "T3": (_ACTIVE, _STANDBY),
            "T4": (_ACTIVE,),
            "T6": (_ACTIVE, _STANDBY),
            "T8": (_ACTIVE, _STANDBY),
            "T9": (_ACTIVE,),
            "T68": (_ACTIVE,),
            "T78": (_ACTIVE,),
        },
    ),
    Mutant(
        name="swaps-targets",
        breaks="Dials for each tunnel the target of another one.",
        edits=(
            Edit(
                "endpoint.py",
                old="        self._targets = {target.tunnel: target for target in config.targets}",
                new="        swapped = zip(config.targets, reversed(config.targets), strict=True)\n"
                "        self._targets = {one.tunnel: other for one, other in swapped}",
            ),
        ),
        noticed_by={
            "T2": ("target of the server",),
            "T3": ("target of the server",),
            "T7": ("target of the server",),
            "T8": ("target of the server",),
        },
    ),
)
