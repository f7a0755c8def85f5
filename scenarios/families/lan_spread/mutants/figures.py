"""Reported throughput and progress."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="tells-mb-as-mib",
        breaks="Reports MB as MiB.",
        edits=(
            Edit("transfer/progress.py", old="size / 2**20 / seconds", new="size / 1e6 / seconds"),
        ),
        noticed_by={
            "S37": (
                "MiB/s against bytes and duration",
                "Mbit/s against MiB/s",
            ),
        },
    ),
    Mutant(
        name="makes-its-figures-up",
        breaks="Reports the same figures for every download.",
        edits=(
            Edit(
                "transfer/progress.py",
                old="    seconds = max(seconds, 1e-6)\n",
                new="    size, seconds, chunks = 1000, 1000.0, 1\n",
            ),
            Edit("transfer/progress.py", old="size / 2**20 / seconds", new="1.0"),
            Edit("transfer/progress.py", old="size * 8 / 1e6 / seconds", new="1.0"),
        ),
        noticed_by={
            "S34": ("chunks in throughput",),
            "S37": (
                "bytes",
                "bytes of archive and version.ini",
                "chunks",
                "MiB/s against bytes and duration",
                "Mbit/s against bytes and duration",
                "Mbit/s against MiB/s",
                "duration against the events",
            ),
            "S39": ("bytes in throughput",),
            "S41": ("bytes in throughput",),
        },
    ),
    Mutant(
        name="measures-backwards",
        breaks="Measures times from end to beginning.",
        edits=(
            Edit(
                "transfer/progress.py",
                old="    seconds = max(seconds, 1e-6)\n",
                new="    seconds = -max(seconds, 1e-6)\n",
            ),
        ),
        noticed_by={
            "S37": (
                "the duration is positive",
                "MiB/s against bytes and duration: positive",
                "Mbit/s against bytes and duration: positive",
                "Mbit/s against MiB/s: positive",
                "duration against the events: positive",
            ),
        },
    ),
    Mutant(
        name="reports-no-progress-at-first",
        breaks="Reports no progress between the start and the first MiB.",
        edits=(
            Edit(
                "transfer/progress.py",
                old="            report(max(0, done - before) / (now - at))\n",
                new="            if done > 1 << 20:\n"
                "                report(max(0, done - before) / (now - at))\n",
            ),
        ),
        noticed_by={
            "S41": ("bytes received when it was destroyed",),
        },
    ),
    Mutant(
        name="tells-progress-rarely",
        breaks="Reports progress only every ten seconds.",
        edits=(
            Edit(
                "transfer/progress.py",
                old="PROGRESS_INTERVAL_S = 0.5",
                new="PROGRESS_INTERVAL_S = 10.0",
            ),
        ),
        noticed_by={
            "S24": ("the source was asked during the transfers",),
        },
    ),
)
