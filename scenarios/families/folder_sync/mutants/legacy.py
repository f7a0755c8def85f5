"""Mutants that are wrong about the legacy wire."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="announces-code",
        breaks="Announces code like other files.",
        edits=(
            Edit(
                "legacy/files.py",
                old="entry.name == RESERVED_NAME or entry.name.endswith(CODE_SUFFIXES)",
                new="entry.name == RESERVED_NAME",
            ),
            Edit("legacy/wire.py", old="and not name.endswith(CODE_SUFFIXES)", new="and True"),
        ),
        noticed_by={"F1": ("what holder announces",)},
    ),
    Mutant(
        name="announces-the-wanted-port",
        breaks="Announces the port that it wanted, not the one that it has.",
        edits=(
            Edit(
                "startup.py",
                old="    address = port.reached_at(settings.listen, listening)\n",
                new="    address = port.reached_at(settings.listen, listening)\n"
                "    address = Address(address.ip, settings.listen.port or address.port)\n",
            ),
        ),
        noticed_by={
            "F2": (
                "the port of the late one",
                "what it announces",
                "what they serve",
                "their ports",
            )
        },
    ),
    Mutant(
        name="speaks-at-once",
        breaks="Says its first word without waiting, and the next ones too early.",
        edits=(
            Edit("legacy/tracker_link.py", old="FIRST_WORD_S = 2.0", new="FIRST_WORD_S = 0.5"),
            Edit("legacy/tracker_link.py", old="PAUSE_S = 5.0", new="PAUSE_S = 3.0"),
        ),
        noticed_by={"F3": ("seconds until then", "seconds until the keepalive")},
    ),
    Mutant(
        name="pauses-from-the-word-on",
        breaks="Counts the pause from its last word on, not from the end of the round.",
        edits=(
            Edit(
                "legacy/tracker_link.py",
                old="await self._round(stream, round_of(directory))\n"
                "                await asyncio.sleep(PAUSE_S)",
                new="await asyncio.gather(\n"
                "                    self._round(stream, round_of(directory)),"
                " asyncio.sleep(PAUSE_S)\n"
                "                )",
            ),
        ),
        noticed_by={"F3": ("seconds until the keepalive after a slow round",)},
    ),
    Mutant(
        name="sends-a-slice-only",
        breaks="Sends the first slice of a file and believes that it was all.",
        edits=(
            Edit(
                "legacy/stream.py",
                old="            offset += sent\n            await pay(limiter, sent, stopped)",
                new="            offset += length\n            await pay(limiter, sent, stopped)",
            ),
        ),
        noticed_by={"F4": ("bytes", "SHA-256")},
    ),
    Mutant(
        name="announces-nothing",
        breaks="Announces no file.",
        edits=(
            Edit(
                "legacy/tracker_link.py",
                old="directory = await self._ask(stream, files())",
                new="files()\n            directory = await self._ask(stream, {})",
            ),
        ),
        noticed_by={"F5": ("what all have in the end",)},
        hurry=0.4,
    ),
    Mutant(
        name="forgets-mtimes",
        breaks="Leaves a fetched file with the time at which it came.",
        edits=(
            Edit(
                "legacy/files.py",
                old="            os.utime(self._path, ns=(mtime * _SECOND, mtime * _SECOND))\n",
                new="",
            ),
        ),
        noticed_by={
            "F6": ("their mtimes",),
            "F5": ("what all have in the end",),
            "F10": ("what ours have",),
        },
        hurry=0.8,
    ),
    Mutant(
        name="takes-what-is-as-old",
        breaks="Fetches a file that is as old as its own, too.",
        edits=(
            Edit(
                "legacy/peer.py",
                old="if mtime is None or mtime < holder.mtime:",
                new="if mtime is None or mtime <= holder.mtime:",
            ),
        ),
        noticed_by={"F6": ("ours: in-step",)},
        hurry=0.4,
    ),
    Mutant(
        name="leaves-parts",
        breaks="Leaves a part of every file that it fetches.",
        edits=(
            Edit(
                "legacy/files.py",
                old="            self._path.unlink(missing_ok=True)\n",
                new='            self._path.write_bytes(b"part")\n',
            ),
            Edit(
                "legacy/files.py",
                old="    delete_tree(reserved / _ASIDE)\n",
                new="    reserved.exists()\n",
            ),
        ),
        noticed_by={
            "F7": ("parts of files", "always: no unfinished files left"),
            "F9": ("parts of files",),
        },
    ),
    Mutant(
        name="keeps-short-bodies",
        breaks="Takes a body that ends early for the whole file.",
        edits=(
            Edit(
                "legacy/fetch.py",
                old="                if count == 0:\n"
                "                    raise FetchFailedError(\n"
                '                        "cut-off", f"the source sent {offset + filled} of {length}'
                ' bytes"\n'
                "                    )",
                new="                if count == 0:\n                    return",
            ),
        ),
        noticed_by={"F7": ("ours: fetch-failed",)},
        hurry=0.4,
    ),
    Mutant(
        name="leaves-out-no-files",
        breaks="Leaves the list of files out when there are none.",
        edits=(
            Edit(
                "legacy/wire.py",
                old='    if files is not None:\n        message["files"]',
                new='    if files:\n        message["files"]',
            ),
        ),
        noticed_by={"F1": ("what empty announces",)},
    ),
    Mutant(
        name="says-names-as-they-are",
        breaks="Says names in UTF-8, not in ASCII with escapes.",
        edits=(
            Edit(
                "legacy/wire.py",
                old='    return json.dumps(message).encode() + b"\\n"',
                new='    return json.dumps(message, ensure_ascii=False).encode() + b"\\n"',
            ),
        ),
        noticed_by={"F3": ("the first bytes",)},
    ),
    Mutant(
        name="repeats-its-files",
        breaks="Tells its files each time, not once.",
        edits=(
            Edit(
                "legacy/tracker_link.py",
                old="await asyncio.sleep(PAUSE_S)\n"
                "                directory = await self._ask(stream, None)",
                new="await asyncio.sleep(PAUSE_S)\n"
                "                directory = await self._ask(stream, files())",
            ),
        ),
        noticed_by={"F3": ("the keepalive", "the next keepalive")},
    ),
    Mutant(
        name="ends-headers-like-http",
        breaks="Ends the header of a file with a carriage return and a newline.",
        edits=(
            Edit(
                "legacy/wire.py",
                old='    return b"Content-Length: %d\\n" % length',
                new='    return b"Content-Length: %d\\r\\n" % length',
            ),
        ),
        noticed_by={"F4": ("headers",)},
    ),
    Mutant(
        name="calls-missing-files-empty",
        breaks="Answers a request for a file that it does not have with an empty one.",
        edits=(
            Edit(
                "legacy/serve.py",
                old="            if opened is not None:\n                file, length = opened\n",
                new="            if opened is None:\n"
                "                await stream.send(wire.encode_header(0))\n"
                "            else:\n"
                "                file, length = opened\n",
            ),
        ),
        noticed_by={"F4": ("what comes for a missing file",)},
    ),
    Mutant(
        name="writes-slices-over-each-other",
        breaks="Writes each slice that it fetches to the start of the file.",
        edits=(
            Edit(
                "legacy/fetch.py",
                old="incoming.write, memory[:filled], offset)",
                new="incoming.write, memory[:filled], 0)",
            ),
        ),
        noticed_by={"F4": ("what is fetched",)},
    ),
    Mutant(
        name="takes-no-new-names",
        breaks="Takes a file that was not here before for one that was changed here meanwhile.",
        edits=(
            Edit(
                "legacy/files.py",
                old="            if _look(target) != self._seen:",
                new="            if self._seen is None or _look(target) != self._seen:",
            ),
        ),
        noticed_by={"F5": ("no fetch failed",)},
    ),
    Mutant(
        name="takes-what-is-older",
        breaks="Fetches a file whose mtime is another one than its own, also an older one.",
        edits=(
            Edit(
                "legacy/peer.py",
                old="if mtime is None or mtime < holder.mtime:",
                new="if mtime is None or mtime != holder.mtime:",
            ),
        ),
        noticed_by={"F6": ("what it has", "what it asked for")},
    ),
    Mutant(
        name="stays-without-a-tracker",
        breaks="Says that the tracker is lost, and goes on.",
        edits=(Edit("legacy/peer.py", old="self._ending.fail(str(error))", new="str(error)"),),
        noticed_by={"F8": ("of-silent: ends",)},
        hurry=0.4,
    ),
    Mutant(
        name="tells-of-silence-always",
        breaks="Calls every loss of the tracker silence.",
        edits=(
            Edit(
                "legacy/peer.py",
                old="self._ending.fail(str(error))",
                new='self._ending.fail(f"Failed waiting for the tracker to response: {error}")',
            ),
        ),
        noticed_by={"F8": ("who tells of silence",)},
    ),
    Mutant(
        name="takes-any-name",
        breaks="Asks for, writes and serves any name.",
        edits=(
            Edit(
                "legacy/wire.py",
                old="if not _is_text(name) or not is_exchanged(name):",
                new='if not _is_text(name) or not (is_exchanged(name) or name[:3] == "../"):',
            ),
            Edit(
                "legacy/files.py",
                old="    if not is_exchanged(name):\n        return None\n    try:",
                new="    if chr(0) in name:\n        return None\n    try:",
            ),
        ),
        noticed_by={"F9": ("what a hostile request gets", "always: nothing beside the folders")},
    ),
    Mutant(
        name="answers-nonsense",
        breaks="As a tracker, takes the port of a peer whatever it is.",
        edits=(
            Edit(
                "legacy/wire.py",
                old="    if not _is_port(port):\n"
                '        raise WireError("the port is no number from 1 to 65535")',
                new="    if not _is_port(port):\n        port = 1",
            ),
        ),
        noticed_by={"F9": ("what nonsense is answered",)},
    ),
    Mutant(
        name="tells-of-one-file",
        breaks="As a tracker, tells of the first file only.",
        edits=(
            Edit(
                "legacy/wire.py",
                old="for name, holder in files.items()}).encode()",
                new="for name, holder in list(files.items())[:1]}).encode()",
            ),
        ),
        noticed_by={"F10": ("ours-foreign-1: round-finished",)},
        hurry=0.4,
    ),
    Mutant(
        name="serves-no-legacy-peers",
        breaks="Serves nothing to legacy peers that meet a swarm of the sync wire.",
        edits=(
            Edit(
                "front.py", old="        elif self._legacy is not None:", new="        elif False:"
            ),
        ),
        noticed_by={"F10": ("what the legacy one has",)},
        hurry=0.5,
    ),
    Mutant(
        name="brings-deletions-back",
        breaks="Fetches again from legacy peers what was deleted.",
        edits=(
            Edit(
                "foreign.py",
                old="        return mtime_s > ours.edited_ns // _SECOND",
                new="        return True",
            ),
        ),
        noticed_by={"F10": ("what the sync ones have",)},
    ),
    Mutant(
        name="keeps-nothing-for-legacy-peers",
        breaks="Lets a legacy peer's file replace one here without a trace.",
        edits=(
            Edit(
                "foreign.py",
                old="                os.link(name, kept_as, src_dir_fd=folder, dst_dir_fd=kept)",
                new="                del name, kept_as, folder, kept",
            ),
        ),
        noticed_by={"F10": ("what was replaced is kept",)},
    ),
)
