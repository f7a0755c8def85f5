"""What a peer says of its own games and of what others offer."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="tells-no-size",
        breaks="Tells size 0 of every game.",
        edits=(
            Edit(
                "library/library.py",
                old="=game.availability,\n                size=game.size,",
                new="=game.availability,\n                size=0,",
            ),
        ),
        noticed_by={
            "S1": (),
            "S2": (),
            "S3": (),
            "S4": (),
            "S5": (),
            "S6": (),
            "S7": (),
            "S13": (),
            "S15": (),
            "S20": (),
            "S21": (),
            "S22": (),
            "S23": (),
            "S28": (),
            "S29": (),
            "S31": (),
            "S32": (),
            "S33": (),
            "S35": (),
            "S36": (),
            "S42": (),
        },
    ),
    Mutant(
        name="lists-games-backwards",
        breaks="Lists its games in descending order.",
        edits=(
            Edit(
                "library/library.py",
                old="for _, game in sorted(self._games.items())",
                new="for _, game in sorted(self._games.items(), reverse=True)",
            ),
        ),
        noticed_by={"S10": (), "S1": ()},
    ),
    Mutant(
        name="lists-what-others-have",
        breaks="Lists the games of its peers as its own.",
        edits=(
            Edit(
                "peer.py",
                old="            local=self._library.rows(),\n",
                new="            local=self._library.rows()\n"
                "            + [\n"
                "                messages.LocalGameRow(\n"
                "                    id=game.id,\n"
                "                    version=game.version,\n"
                "                    downloaded=True,\n"
                "                    installed=False,\n"
                "                    availability=game.availability,\n"
                "                    size=game.size,\n"
                "                )\n"
                "                for peer in self._peers.all()\n"
                "                for game in peer.games.values()\n"
                "            ],\n",
            ),
        ),
        noticed_by={"S3": (), "S8": (), "S17": (), "S20": (), "S21": (), "S22": ()},
    ),
    Mutant(
        name="takes-any-folder-for-a-game",
        breaks="Takes a folder without version.ini for a downloaded game.",
        edits=(
            Edit(
                "library/scan.py",
                old="downloaded = stat.S_ISREG(_mode(root / VERSION_FILE))",
                new="downloaded = root.is_dir()",
            ),
        ),
        noticed_by={"S12": (), "S21": (), "S40": (), "S39": ()},
    ),
    Mutant(
        name="offers-what-is-only-local",
        breaks="Advertises an installed game as Ready, though its archives are not there.",
        edits=(
            Edit(
                "library/scan.py",
                old="Availability.READY if downloaded else Availability.LOCAL_ONLY",
                new="Availability.READY",
            ),
        ),
        noticed_by={"S39": (), "S40": (), "S41": (), "S43": (), "S46": (), "S47": ()},
    ),
    Mutant(
        name="offers-its-own-games",
        breaks="Offers itself its own games.",
        edits=(
            Edit(
                "peer.py",
                old="        offers: dict[str, list[wire.Game]] = {}\n",
                new="        own = self._library.advertised(set())\n"
                "        offers: dict[str, list[wire.Game]] = {game.id: [game] for game in own}\n",
            ),
        ),
        noticed_by={"S1": (), "S10": ()},
    ),
    Mutant(
        name="offers-the-catalog",
        breaks="Offers every game of the catalog, whether anybody has it or not.",
        edits=(
            Edit(
                "peer.py",
                old="in sorted(offers.items())\n            ],\n",
                new="in sorted(offers.items())\n"
                "            ]\n"
                "            + [\n"
                "                messages.RemoteGameRow(\n"
                "                    id=game_id, peer_count=1, eti_game_version='1', size=1\n"
                "                )\n"
                "                for game_id in self._catalog\n"
                "                if game_id not in offers\n"
                "            ],\n",
            ),
        ),
        noticed_by={
            "S1": (),
            "S3": (),
            "S10": (),
            "S19": (),
            "S21": (),
            "S22": (),
            "S23": (),
            "S29": (),
            "S35": (),
            "S40": (),
        },
    ),
    Mutant(
        name="offers-nothing",
        breaks="Offers nothing of what its peers have.",
        edits=(
            Edit(
                "peer.py",
                old="            if is_source(game, self._catalog):",
                new="            if game is None:",
            ),
        ),
        noticed_by={"S8": (), "S44": ()},
    ),
    Mutant(
        name="counts-a-source-too-many",
        breaks="Counts one source too many for every game.",
        edits=(Edit("peer.py", old="peer_count=len(games)", new="peer_count=len(games) + 1"),),
        noticed_by={
            "S3": (),
            "S8": (),
            "S15": (),
            "S16": (),
            "S17": (),
            "S21": (),
            "S22": (),
            "S30": (),
            "S31": (),
            "S36": (),
        },
    ),
    Mutant(
        name="offers-a-row-per-source",
        breaks="Has a row for each source of a game.",
        edits=(
            Edit(
                "peer.py",
                old="                for game_id, games in sorted(offers.items())\n",
                new="                for game_id, games in sorted(offers.items())\n"
                "                for _ in games\n",
            ),
        ),
        noticed_by={"S3": (), "S30": ()},
    ),
    Mutant(
        name="offers-no-version",
        breaks="Tells another version than the catalog's of what is offered.",
        edits=(
            Edit(
                "peer.py",
                old="eti_game_version=self._catalog[game_id].version",
                new='eti_game_version="0"',
            ),
        ),
        noticed_by={"S30": (), "S3": ()},
    ),
    Mutant(
        name="ignores-the-catalogs-version",
        breaks="Takes a peer for a source whatever version it has.",
        edits=(
            Edit(
                "network/peers.py",
                old='game.availability == "Ready" and game.version == catalog[game.id].version',
                new='game.availability == "Ready"',
            ),
        ),
        noticed_by={"S15": (), "S16": (), "S17": (), "S23": (), "S36": ()},
    ),
    Mutant(
        name="shows-the-catalogs-version",
        breaks="Shows the catalog's version of a game where list-peers should show the raw one.",
        edits=(
            Edit(
                "peer.py",
                old="eti_version=game.version,",
                new="eti_version=self._catalog[game.id].version\n"
                "                            if game.id in self._catalog\n"
                "                            else game.version,",
            ),
        ),
        noticed_by={"S15": (), "S23": (), "S36": ()},
    ),
    Mutant(
        name="shows-no-version",
        breaks="Shows a game's id as the version that its owner advertises.",
        edits=(Edit("peer.py", old="eti_version=game.version,", new="eti_version=game.id,"),),
        noticed_by={"S2": (), "S40": ()},
    ),
    Mutant(
        name="advertises-the-catalog-only",
        breaks="Does not advertise games that are not in its catalog.",
        edits=(
            Edit(
                "peer.py",
                old="        return self._library.advertised(self._games.operations.games())\n",
                new="        told = self._library.advertised(self._games.operations.games())\n"
                "        return [game for game in told if game.id in self._catalog]\n",
            ),
        ),
        noticed_by={"S35": ()},
    ),
    Mutant(
        name="touches-what-it-scans",
        breaks="Changes the times of a version.ini when it looks at it.",
        edits=(
            Edit(
                "library/scan.py",
                old="    installed = stat.S_ISDIR(_mode(root / LOCAL_FOLDER))\n",
                new="    installed = stat.S_ISDIR(_mode(root / LOCAL_FOLDER))\n"
                "    if downloaded:\n"
                "        os.utime(root / VERSION_FILE)\n",
            ),
        ),
        noticed_by={"S1": ("always: fixtures unchanged",)},
        alone=True,
    ),
    Mutant(
        name="marks-an-empty-folder",
        breaks="Leaves a file of its own in a games folder that is empty.",
        edits=(
            Edit(
                "peer.py",
                old="        staging.recover(games_dir, state_dir, report=_report)\n",
                new="        if not any(games_dir.iterdir()):\n"
                "            (games_dir / '.lanspread').touch()\n"
                "        staging.recover(games_dir, state_dir, report=_report)\n",
            ),
        ),
        noticed_by={"S9": (), "S20": (), "S42": (), "S44": (), "S45": (), "S46": ()},
    ),
)
