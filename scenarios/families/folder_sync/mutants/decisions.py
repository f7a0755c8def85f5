"""Mutants that decide wrong between versions, and what of them to keep."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="lets-times-decide",
        breaks="Lets the newer mtime win, whatever the vectors say.",
        edits=(
            Edit(
                "decide.py",
                old="    if not _lives(theirs, ours):\n        # Who",
                new="    if ours.kind is theirs.kind is Kind.FILE:\n"
                "        return Verdict.TAKE if _beats(theirs, ours) else Verdict.KEEP\n"
                "    if not _lives(theirs, ours):\n        # Who",
            ),
        ),
        noticed_by={"F30": ("all have the edit of one", "the edit that all have")},
    ),
    Mutant(
        name="goes-round-for-ever",
        breaks="Makes a new version of a file from the future at each scan.",
        edits=(
            Edit(
                "scan.py",
                old="        if known is None or known != (there.kind, there.stamp):",
                new="        if True:",
            ),
            Edit(
                "record.py",
                old="            if ours.executable == fresh.executable:\n"
                "                return None\n",
                new="            if ours.edited_ns == fresh.edited_ns:\n"
                "                return None\n            return fresh\n",
            ),
        ),
        noticed_by={"F30": ("versions after another round",)},
    ),
    Mutant(
        name="takes-coarse-mtimes-for-touches",
        breaks="Passes on the mtime that its disk has made of the one that was sent.",
        edits=(
            Edit(
                "scan.py",
                old="        if known is None or known != (there.kind, there.stamp):",
                new="        if True:",
            ),
            Edit(
                "record.py",
                old="            if ours.executable == fresh.executable:\n"
                "                return None\n",
                new="            if ours.mtime_ns == fresh.mtime_ns:\n                return None\n"
                "            return fresh\n",
            ),
        ),
        noticed_by={"F30": ("mtimes",)},
    ),
    Mutant(
        name="makes-versions-of-touches",
        breaks="Makes a new version of a file that was only touched.",
        edits=(
            Edit(
                "record.py",
                old="            if ours.executable == fresh.executable:\n"
                "                return None\n",
                new="            if ours.mtime_ns == fresh.mtime_ns:\n                return None\n"
                "            return fresh\n",
            ),
        ),
        noticed_by={"F12": ("no conflict",), "F15": ("versions after a touch",)},
    ),
    Mutant(
        name="lets-the-older-win",
        breaks="Lets the older of two edits win.",
        edits=(
            Edit(
                "decide.py",
                old="    return _rank(one) > _rank(other)",
                new="    return _rank(one) < _rank(other)",
            ),
        ),
        noticed_by={"F13": ("the winner by mtime", "the winner by hash")},
    ),
    Mutant(
        name="deletes-what-others-changed",
        breaks="Lets a deletion win against a change.",
        edits=(
            Edit(
                "decide.py",
                old="    return one.alive and counter(",
                new="    return one.alive and other.alive and counter(",
            ),
        ),
        noticed_by={"F14": ("what is there",)},
    ),
    Mutant(
        name="takes-same-content-for-a-conflict",
        breaks="Calls it a conflict when two have the same content.",
        edits=(
            Edit(
                "decide.py",
                old="            return Verdict.TAKE\n        is_other_join",
                new="            if _beats(theirs, ours)"
                " and not includes(theirs.version, ours.version):\n"
                "                return Verdict.CONFLICT\n"
                "            return Verdict.TAKE\n        is_other_join",
            ),
            Edit(
                "order.py",
                old="        if alive and task.row is not None and task.row.entry.same_content(",
                new="        if task.verdict is not Verdict.CONFLICT and alive"
                " and task.row.entry.same_content(",
            ),
            Edit(
                "order.py",
                old="from sync_cli.model import",
                new="from sync_cli.decide import Verdict\nfrom sync_cli.model import",
            ),
        ),
        noticed_by={"F15": ("no conflict", "conflict copies")},
    ),
    Mutant(
        name="hears-nothing",
        breaks="Does not hear what the system tells of its folder.",
        edits=(
            Edit(
                "watch.py",
                old="        return changed\n\n    def add",
                new="        return set()\n\n    def add",
            ),
        ),
        noticed_by={"F11": ("a new file: on all",)},
        hurry=0.2,
    ),
    Mutant(
        name="keeps-no-copies",
        breaks="Keeps nothing of an edit that loses.",
        edits=(
            Edit(
                "decide.py",
                old="    return Verdict.TAKE if ours.kind is Kind.FOLDER else Verdict.CONFLICT",
                new="    return Verdict.TAKE",
            ),
        ),
        noticed_by={
            "F13": ("conflict copies",),
            "F16": ("what is kept beside",),
            "F25": ("what all have",),
            "F36": ("what is lost, came back or differs",),
        },
    ),
    Mutant(
        name="remembers-deletions-for-ever",
        breaks="Never forgets a deletion, nor a peer that was away.",
        edits=(
            Edit(
                "exchange.py",
                old="            horizon = site.now_ns() - site.options.tombstone_ns",
                new="            horizon = 0",
            ),
            Edit(
                "record.py",
                old="        if site.was_away:\n            #",
                new="        if False:\n            #",
            ),
        ),
        noticed_by={"F17": ("what is there after 100 days more",)},
    ),
    Mutant(
        name="follows-mtimes",
        breaks="Believes that a file of the same size and mtime is the same.",
        edits=(
            Edit(
                "scan.py",
                old="        if known is None or known != (there.kind, there.stamp):",
                new="        if known is None or known[1] is None"
                " or known[1][:2] != there.stamp[:2]:",
            ),
        ),
        noticed_by={"F31": ("what alpha has", "what charlie has")},
        hurry=0.4,
    ),
    Mutant(
        name="ignores-nothing",
        breaks="Sends what is to be left out.",
        edits=(
            Edit(
                "ignore.py",
                old="        if self._patterns is None:\n            return False\n        above",
                new="        if path:\n            return False\n        above",
            ),
        ),
        noticed_by={"F35": ("what charlie has",)},
    ),
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
)
