"""What a peer gives away, to whom, how fast, and what it tells of it."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="serves-any-path",
        breaks="Serves whatever path it is asked for.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="file = resolve_served(root, check_served_path(wanted.path)).stat(",
                new="file = (root / wanted.path).stat(",
            ),
            Edit(
                "transfer/serve.py",
                old="path = resolve_served(job.root, check_served_path(wanted.path))",
                new="path = job.root / wanted.path",
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="follows-links-out",
        breaks="Serves what a link leads to, wherever that is.",
        edits=(
            Edit(
                "names.py",
                old="    target = resolve_inside(real_root, relative)\n",
                new="    return Path(os.path.realpath(real_root / relative))\n"
                "    target = resolve_inside(real_root, relative)\n",
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="serves-local",
        breaks="Serves what lies under local/.",
        edits=(Edit("names.py", old='        "local",\n', new=""),),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="serves-beyond-the-catalog",
        breaks="Serves games that are not in the catalog.",
        edits=(
            Edit(
                "transfer/serve.py",
                old='        raise DeniedError("not-in-catalog", '
                'f"{game_id} is not in the catalog of this peer")\n',
                new="        return\n",
            ),
            Edit(
                "transfer/serve.py",
                old="if question.version != self._catalog[game_id].version:",
                new="if game_id in self._catalog and question.version != "
                "self._catalog[game_id].version:",
            ),
            Edit(
                "transfer/serve.py",
                old="version = self._catalog[game_id].version\n",
                new='version = ""\n',
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="serves-any-version",
        breaks="Serves a game at whatever version it has.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="if game.version != catalog[game_id].version:",
                new="if game.version is None:",
            ),
            Edit(
                "transfer/serve.py",
                old="if question.version != self._catalog[game_id].version:",
                new="if not question.version:",
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="serves-what-is-being-changed",
        breaks="Serves a game that is under an operation.",
        edits=(Edit("transfer/serve.py", old="    if active:\n", new="    if active is None:\n"),),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="serves-half-a-game",
        breaks="Serves a game that it lists, downloaded or not.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="if game is None or not game.downloaded:",
                new="if game is None:",
            ),
        ),
        noticed_by={"S40": ()},
    ),
    Mutant(
        name="denies-its-manifests",
        breaks="Denies the manifest of every game.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="                return await self._manifest(session, question)\n",
                new='                raise DeniedError("busy", "another time")\n',
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="denies-its-manifest-in-the-end",
        breaks="Gives the manifest of a game twice and then no more.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="                return await self._manifest(session, question)\n",
                new="                asked = self.__dict__.setdefault('_asked', [])\n"
                "                asked.append(question.game_id)\n"
                "                if asked.count(question.game_id) > 2:\n"
                '                    raise DeniedError("busy", "another time")\n'
                "                return await self._manifest(session, question)\n",
            ),
        ),
        noticed_by={"S40": ()},
    ),
    Mutant(
        name="tells-another-version",
        breaks="Tells another version in its manifests than it has.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="version = self._catalog[game_id].version\n",
                new='version = "1"\n',
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="sends-a-byte-less",
        breaks="Leaves out the last byte of what it sends.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="data.send_file(file, wanted.offset, wanted.length)",
                new="data.send_file(file, wanted.offset, wanted.length - 1)",
            ),
        ),
        noticed_by={"S12": ()},
    ),
    Mutant(
        name="counts-nothing-as-outbound",
        breaks="Counts two transfers of a game that go out as one.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="dict(Counter(list(self._outbound.values())))",
                new="dict.fromkeys(self._outbound.values(), 1)",
            ),
        ),
        noticed_by={"S24": ()},
    ),
    Mutant(
        name="invents-an-outbound",
        breaks="Counts a transfer that does not go out.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="dict(Counter(list(self._outbound.values())))",
                new='dict(Counter(["cod2", *self._outbound.values()]))',
            ),
        ),
        noticed_by={"S39": (), "S41": (), "S42": (), "S43": (), "S44": (), "S46": ()},
        hurry=0.2,
    ),
    Mutant(
        name="ignores-its-upload-limit",
        breaks="Sends as fast as it can, whatever its limit.",
        edits=(
            Edit(
                "limits.py",
                old="        if self._rate is None:\n            return not cancelled.is_set()\n",
                new="        if count:\n            return not cancelled.is_set()\n",
            ),
        ),
        noticed_by={"S24": (), "S41": ()},
    ),
    Mutant(
        name="serves-one-after-the-other",
        breaks="Sends to one peer at a time; the next one waits.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="            data.attach(connection, RECEIVER_STALL_S)\n"
                "            if job.ranges:\n"
                "                _send_ranges(data, job)\n",
                new="            data.attach(connection, RECEIVER_STALL_S)\n"
                "            if job.ranges:\n"
                "                with self.__dict__.setdefault('_turn', threading.Lock()):\n"
                "                    _send_ranges(data, job)\n",
            ),
        ),
        noticed_by={"S24": ()},
    ),
)
