"""What a peer serves, to whom, how fast, and how it reports that."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="serves-any-path",
        breaks="Serves any requested path.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="file = paths.resolve(check_served_path(relative)).stat(",
                new="file = Path(paths._resolver.root, relative).stat(",
            ),
            Edit(
                "transfer/send.py",
                old="file = folder.open(relative)",
                new="file = os.open(root / wanted.path, os.O_RDONLY)",
            ),
        ),
        noticed_by={
            "S12": (
                "a path under local/",
                "a path with ..",
                "a path with .. back into the root",
                "an absolute path",
                "a path through a link out of the root",
                "each of them behind good ones",
            ),
        },
    ),
    Mutant(
        name="follows-links-out",
        breaks="Serves the target of any link.",
        edits=(
            Edit(
                "names.py",
                old="        inside = self._resolver.inside(relative)\n",
                new="        return Path(self._resolver.root, relative).resolve()\n",
            ),
        ),
        noticed_by={
            "S12": (
                "files of the good game",
                "a link out of the root",
            ),
        },
    ),
    Mutant(
        name="serves-local",
        breaks="Serves files under local/.",
        edits=(Edit("names.py", old='        "local",\n', new=""),),
        noticed_by={
            "S12": (
                "files of the good game",
                "a path under local/",
            ),
        },
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
                new="version = self._catalog[game_id].version if game_id in self._catalog "
                'else ""\n',
            ),
        ),
        noticed_by={
            "S12": (
                "a game that is not in the catalog",
                "the manifests of these games",
            ),
        },
    ),
    Mutant(
        name="serves-any-version",
        breaks="Serves a game at any version.",
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
        noticed_by={
            "S12": (
                "another version than the server's",
                "a game of the wrong version",
                "a game of the wrong version, asked for as it is",
            ),
        },
    ),
    Mutant(
        name="serves-what-is-being-changed",
        breaks="Serves a game with a running operation.",
        edits=(Edit("transfer/serve.py", old="    if active:\n", new="    if active is None:\n"),),
        noticed_by={
            "S12": (
                "a game under an operation",
                "the manifest of a game under an operation",
            ),
        },
    ),
    Mutant(
        name="serves-half-a-game",
        breaks="Serves any game that it lists, even one that is not downloaded.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="if game is None or not game.downloaded:",
                new="if game is None:",
            ),
        ),
        noticed_by={
            "S40": ("a manifest of it is denied",),
        },
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
        noticed_by={
            "S12": ("the manifest of the good game is given",),
        },
    ),
    Mutant(
        name="denies-a-manifest-without-a-digest",
        breaks="Gives a manifest only to peers that asked for its digest before.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="                return await self._manifest(session, question)\n",
                new="                asked = self.__dict__.setdefault('_asked', set())\n"
                "                if isinstance(question, wire.GetDigest):\n"
                "                    asked.add(session.peer_id)\n"
                "                elif session.peer_id not in asked:\n"
                '                    raise DeniedError("busy", "ask for the digest first")\n'
                "                return await self._manifest(session, question)\n",
            ),
        ),
        noticed_by={
            "S40": ("a manifest of cod5 is given",),
        },
    ),
    Mutant(
        name="tells-another-version",
        breaks="Reports a wrong version in its manifests.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="version = self._catalog[game_id].version\n",
                new='version = "1"\n',
            ),
        ),
        noticed_by={
            "S12": ("manifest of the good game",),
        },
    ),
    Mutant(
        name="sends-a-byte-less",
        breaks="Omits the last byte of what it sends.",
        edits=(
            Edit(
                "transfer/send.py",
                old="together += _read(file, wanted)",
                new="together += _read(file, wanted)[:-1]",
            ),
            Edit(
                "transfer/send.py",
                old="data.send_file(file, wanted.offset, wanted.length)",
                new="data.send_file(file, wanted.offset, wanted.length - 1)",
            ),
        ),
        noticed_by={
            "S12": (
                "the good one",
                "the game before the operation",
                "the game after the operation",
                "the good one, after all that",
            ),
        },
    ),
    Mutant(
        name="counts-nothing-as-outbound",
        breaks="Counts two outbound transfers of a game as one.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="dict(Counter(job.game_id for job in list(self._outbound.values())))",
                new="dict.fromkeys([job.game_id for job in self._outbound.values()], 1)",
            ),
        ),
        noticed_by={
            "S24": ("what the source serves at some moment",),
        },
    ),
    Mutant(
        name="invents-an-outbound",
        breaks="Counts an outbound transfer that does not exist.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="dict(Counter(job.game_id for job in list(self._outbound.values())))",
                new='dict(Counter(["cod2", *(job.game_id for job in self._outbound.values())]))',
            ),
        ),
        noticed_by={
            "S39": (
                "what bravo sends before the stream",
                "what bravo sends during the stream",
                "what bravo sends after the stream",
            ),
            "S41": ("sender sends nothing any more",),
            "S42": (
                "broken sends nothing any more",
                "good sends nothing any more",
                "spare sends nothing any more",
            ),
            "S43": (
                "bravo sends nothing any more",
                "what bravo sends",
            ),
            "S44": ("source sends nothing any more",),
            "S46": (
                "what alpha sends before",
                "alpha sends nothing any more",
            ),
            "S53": ("source sends nothing any more",),
            "S65": ("leaving sends nothing any more",),
            "S67": ("source sends nothing any more",),
        },
        hurry=0.4,
    ),
    Mutant(
        name="ignores-its-upload-limit",
        breaks="Ignores its upload limit.",
        edits=(
            Edit(
                "limits.py",
                old="        if self._rate is None:\n            return not cancelled.is_set()\n",
                new="        if count:\n            return not cancelled.is_set()\n",
                package="network",
            ),
        ),
        noticed_by={
            "S24": ("MiB/s of both together, against the limit",),
        },
    ),
    Mutant(
        name="serves-one-after-the-other",
        breaks="Sends to one peer at a time; the next one waits.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="            data.seal(job.seal)\n"
                "            if job.stream_key is None:\n"
                "                send_ranges(data, job.root, job.ranges)\n",
                new="            data.seal(job.seal)\n"
                "            if job.stream_key is None:\n"
                "                with self.__dict__.setdefault('_turn', threading.Lock()):\n"
                "                    send_ranges(data, job.root, job.ranges)\n",
            ),
        ),
        noticed_by={
            "S24": ("both had received bytes before either had the archive",),
        },
    ),
)
