"""Whom a streamed install trusts: the stream's source, the catalog's digest."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="takes-any-stream",
        breaks="Does not authenticate streamed bytes.",
        edits=(
            Edit(
                "transfer/records.py",
                old="        if self._tags.next(payload) != tag:\n",
                new="        if self._tags.next(payload) == b'':\n",
            ),
        ),
        noticed_by={
            "S79": ("client: download-failed or download-peers-gone of bf1942",),
        },
    ),
    Mutant(
        name="streams-past-the-digest",
        breaks="Streams unpacked bytes even if the catalog has a digest.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="if self._entry.content_digest is None",
                new="if True",
            ),
        ),
        noticed_by={
            "S80": ("client: download-failed or download-peers-gone of bf1942",),
        },
    ),
    Mutant(
        name="unpacks-unverified-archives",
        breaks="Does not verify the archives that it fetches to install from.",
        edits=(
            Edit(
                "transfer/verified_archives.py",
                old="                if not matches(descriptor, offset, length, expected):\n",
                new="                if length < 0:\n",
            ),
        ),
        noticed_by={
            "S106": (
                "alone: download-failed or download-peers-gone of bf1942",
                "the last entry",
                "who served",
                "who is banned",
            ),
        },
    ),
    Mutant(
        name="gives-up-at-wrong-archive-blocks",
        breaks="Ends the install when a source delivers wrong blocks of an archive.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="                    if deserves_ban(source, error):\n",
                new="                    if isinstance(error, CorruptSourceError):\n"
                "                        raise self._no_source_left(failures) from error\n"
                "                    if deserves_ban(source, error):\n",
            ),
        ),
        noticed_by={"S106": ("client: install of bf1942 finishes",)},
    ),
    Mutant(
        name="forgives-wrong-archive-blocks",
        breaks="Does not ban a source that delivers wrong blocks of an archive.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="if deserves_ban(source, error):",
                new="if deserves_ban(source, error) and not isinstance(error, CorruptSourceError):",
            ),
        ),
        noticed_by={"S106": ("who is banned",)},
    ),
    Mutant(
        name="keeps-fetched-archives",
        breaks="Leaves the verified archives among the installed files.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="            verified.discard(staging)\n",
                new="",
            ),
        ),
        noticed_by={
            "S80": ("what is installed",),
        },
    ),
    Mutant(
        name="installs-what-it-refused",
        breaks="Installs an empty game if the source's files do not match the digest.",
        edits=(
            Edit(
                "transfer/streamed.py",
                old="        files = await verified.archives()\n",
                new="        await run_to_end(self._context.pool, self._prepare)\n"
                "        files = await verified.archives()\n",
            ),
            Edit(
                "transfer/streamed.py",
                old="        transaction.discard_staging(self._root)\n",
                new="        (self._root / transaction.STAGING).rename("
                "self._root / transaction.LOCAL)\n",
            ),
        ),
        noticed_by={
            "S106": (
                "the folder of alone after the changed stream",
                "the games of alone after the changed stream",
            ),
            "S80": (
                "the folder of client after the lie",
                "the games of client after the lie",
            ),
        },
    ),
)
