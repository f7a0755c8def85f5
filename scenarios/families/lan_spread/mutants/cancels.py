"""Cancels of downloads and installs."""

from scenarios.audit.mutant import Edit, Mutant

_AFTER_THE_REPLY = {
    "S53": (
        "the client's folder after the reply",
        "the client's operations after the reply",
    ),
    "S46": (
        "the folder of client when the reply has come",
        "operations of client when the reply has come",
    ),
}

MUTANTS = (
    Mutant(
        name="answers-a-cancel-at-once",
        breaks="Replies to a cancel before the rollback.",
        edits=(
            Edit(
                "operations.py",
                old="        running.cancel()\n        part = running.part\n",
                new="        asyncio.get_running_loop().call_later(0.2, running.cancel)\n"
                "        return\n"
                "        part = running.part\n",
            ),
        ),
        noticed_by=_AFTER_THE_REPLY,
    ),
    Mutant(
        name="cancels-nothing",
        breaks="Replies to a cancel, but continues.",
        edits=(
            Edit(
                "operations.py",
                old="        running.cancel()\n        part = running.part\n",
                new="        return\n        part = running.part\n",
            ),
        ),
        noticed_by=_AFTER_THE_REPLY,
    ),
)
