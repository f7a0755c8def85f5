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
        noticed_by={
            "F12": ("what all have", "no conflict"),
            "F15": ("versions after a touch",),
        },
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
        noticed_by={"F13": ("the winner by mtime", "the winner by hash"), "F16": ("what won",)},
    ),
    Mutant(
        name="lets-the-older-copy-win",
        breaks="Lets the older of two edits of a conflict copy win.",
        edits=(
            Edit(
                "decide.py",
                old="    return _rank(one) > _rank(other)",
                new="    return (_rank(one) > _rank(other)) is not is_conflict_copy(one.path)",
            ),
        ),
        noticed_by={"F13": ("the winner among its edits",)},
    ),
    Mutant(
        name="tells-the-loser-for-the-winner",
        breaks="Tells of a conflict that its loser has won.",
        edits=(
            Edit(
                "batch.py",
                old="            self._tell_conflict(task.path, kept_as, task.entry.author)",
                new="            self._tell_conflict(task.path, kept_as, task.row.entry.author)",
            ),
        ),
        noticed_by={"F13": ("who won, as it is told",)},
    ),
    Mutant(
        name="copies-copies",
        breaks="Makes a conflict copy of a conflict copy.",
        edits=(
            Edit(
                "place.py",
                old="        if is_conflict_copy(loser.entry.path) or known is not None:",
                new="        if known is not None:",
            ),
        ),
        noticed_by={"F13": ("copies after a conflict about a copy",)},
    ),
    Mutant(
        name="forgets-what-it-replaces",
        breaks="Makes versions that know nothing of what they replace.",
        edits=(
            Edit(
                "record.py",
                old="version=advanced(ours.version if ours else (), site",
                new="version=advanced((), site",
            ),
        ),
        noticed_by={"F30": ("no edit counts as a conflict",)},
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
        noticed_by={"F14": ("what is there",), "F27": ("what is lost",)},
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
        noticed_by={
            "F11": ("what does not arrive",),
            "F16": ("what charlie has",),
            "F24": ("while it is frozen",),
            "F25": ("what the left half has", "what the right half has"),
            "F27": ("what charlie has",),
        },
        hurry=0.5,
    ),
    Mutant(
        name="gathers-for-long",
        breaks="Looks at what has changed long after it was told of it.",
        edits=(Edit("keeper.py", old="_GATHER_S = 0.03", new="_GATHER_S = 2.5"),),
        noticed_by={"F11": ("what takes longer than 2 s",)},
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
            "F13": ("conflict copies", "what is kept, under the right names"),
            "F16": ("what is kept beside",),
            "F25": ("what all have", "how many files"),
            "F36": ("what is lost, came back or differs",),
        },
    ),
    Mutant(
        name="forgets-deletions-early",
        breaks="Forgets deletions, and peers that are away, after half of their time.",
        edits=(
            Edit(
                "exchange.py",
                old="            horizon = site.now_ns() - site.options.tombstone_ns",
                new="            horizon = site.now_ns() - site.options.tombstone_ns // 2",
            ),
        ),
        noticed_by={"F17": ("what is there after 80 days",)},
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
        noticed_by={"F31": ("what alpha has", "what charlie has", "what all have after a restart")},
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
        noticed_by={"F35": ("what charlie has", "what else it has")},
    ),
    Mutant(
        name="deletes-what-it-ignores",
        breaks="Deletes what is ignored in a folder that has to go.",
        edits=(
            Edit(
                "place.py", old="import errno\nimport os\n", new="import errno\nimport os, shutil\n"
            ),
            Edit(
                "place.py",
                old="            raise BlockedError(FOLDER_NOT_EMPTY) from error",
                new="            shutil.rmtree(target, dir_fd=folder)",
            ),
        ),
        noticed_by={"F35": ("what bravo has kept",)},
    ),
)
