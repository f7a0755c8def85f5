"""A peer's own library, and the games that others offer."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="tells-no-size",
        breaks="Reports size 0 for every game.",
        edits=(
            Edit(
                "library/library.py",
                old="=game.availability,\n                size=game.size,",
                new="=game.availability,\n                size=0,",
            ),
        ),
        noticed_by={
            "S1": (
                "games of local-library-changed",
                "games of list-games",
            ),
            "S5": ("the client's games",),
            "S6": (
                "after the download",
                "after install",
                "after uninstall",
            ),
            "S15": ("the client's games",),
            "S21": ("cod5 as advertised",),
            "S22": ("bravo's games as advertised",),
            "S28": ("what bravo offers",),
            "S29": ("advertised",),
            "S31": ("the third's games",),
            "S32": ("the client's games",),
            "S33": ("the client's games",),
            "S35": ("mystery-game at its owner",),
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
        noticed_by={
            "S10": ("alpha's own games",),
            "S13": ("the client's games",),
            "S21": ("bravo's games",),
        },
    ),
    Mutant(
        name="lists-what-is-gone",
        breaks="Continues to list a game of its own that is gone.",
        edits=(
            Edit(
                "peer.py",
                old="return messages.ListGamesResult(\n            local=self._library.rows(),\n",
                new="seen = self.__dict__.setdefault('seen', {})\n"
                "        seen |= {row.id: row for row in self._library.rows()}\n"
                "        return messages.ListGamesResult(\n"
                "            local=list(seen.values()),\n",
            ),
        ),
        noticed_by={
            "S22": ("bravo's games",),
        },
    ),
    Mutant(
        name="takes-any-folder-for-a-game",
        breaks="Treats a folder without version.ini as a downloaded game.",
        edits=(
            Edit(
                "library/scan.py",
                old="downloaded = stat.S_ISREG(_mode(root / VERSION_FILE))",
                new="downloaded = root.is_dir()",
            ),
        ),
        noticed_by={
            "S12": ("a game without its sentinel",),
        },
    ),
    Mutant(
        name="offers-what-is-only-local",
        breaks="Advertises an installed game as Ready although its archives are missing.",
        edits=(
            Edit(
                "library/scan.py",
                old="Availability.READY if ready else Availability.LOCAL_ONLY",
                new="Availability.READY",
            ),
        ),
        noticed_by={
            "S40": ("what the receiver advertises, as observer sees it",),
        },
    ),
    Mutant(
        name="offers-its-own-games",
        breaks="Lists its own games as offered by others.",
        edits=(
            Edit(
                "peer.py",
                old="        offers: dict[str, list[wire.Game]] = {}\n",
                new="        own = self._library.advertised(set())\n"
                "        offers: dict[str, list[wire.Game]] = {game.id: [game] for game in own}\n",
            ),
        ),
        noticed_by={
            "S10": (
                "bravo's games at alpha before",
                "bravo's games at alpha afterwards",
            ),
        },
    ),
    Mutant(
        name="offers-the-catalog",
        breaks="Offers every game of the catalog, with or without a source.",
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
            "S1": ("games that others offer",),
            "S3": (
                "one row per game",
                "rows of what others offer",
            ),
            "S19": ("games that others offer",),
            "S21": (
                "sources of cod5 before",
                "sources of cod5 without version.ini",
            ),
            "S22": ("sources of cod5 afterwards",),
            "S23": (
                "what is offered before",
                "what is offered in between",
                "what is offered",
            ),
            "S29": (
                "what is offered before",
                "what is offered",
            ),
            "S35": ("what is offered",),
            "S40": (
                "what is offered to observer",
                "what is offered to late",
            ),
        },
    ),
    Mutant(
        name="offers-nothing",
        breaks="Offers none of its peers' games.",
        edits=(
            Edit(
                "peer.py",
                old="            if is_source(game, self._catalog) and not",
                new="            if game is None and not",
            ),
        ),
        noticed_by={
            "S44": (
                "cnctw is offered",
                "css is offered",
                "bfbc2 is offered",
            ),
        },
    ),
    Mutant(
        name="counts-a-source-too-many",
        breaks="Counts one source too many for every game.",
        edits=(Edit("peer.py", old="peer_count=len(games)", new="peer_count=len(games) + 1"),),
        noticed_by={
            "S8": ("sources of ggoo",),
            "S17": ("sources counted",),
            "S21": (
                "sources of cod6",
                "rows of what others offer",
            ),
            "S22": (
                "sources of cod5 before",
                "sources of cnc4",
            ),
            "S30": ("sources by game",),
            "S31": (
                "sources at first",
                "sources with the second",
                "sources without the origin",
            ),
        },
    ),
    Mutant(
        name="offers-a-row-per-source",
        breaks="Lists a row per source of a game.",
        edits=(
            Edit(
                "peer.py",
                old="                for game_id, games in sorted(offers.items())\n",
                new="                for game_id, games in sorted(offers.items())\n"
                "                for _ in games\n",
            ),
        ),
        noticed_by={
            "S30": (
                "one row per game",
                "rows of what others offer",
            ),
        },
    ),
    Mutant(
        name="offers-no-version",
        breaks="Reports a wrong version for offered games.",
        edits=(
            Edit(
                "peer.py",
                old="eti_game_version=self._catalog[game_id].version",
                new='eti_game_version="0"',
            ),
        ),
        noticed_by={
            "S30": ("versions",),
        },
    ),
    Mutant(
        name="ignores-the-catalogs-version",
        breaks="Counts a peer as a source whatever version it has.",
        edits=(
            Edit(
                "network/peers.py",
                old='game.availability == "Ready" and game.version == catalog[game.id].version',
                new='game.availability == "Ready"',
            ),
        ),
        noticed_by={
            "S15": ("sources counted",),
            "S16": ("sources counted",),
            "S36": ("sources counted",),
        },
    ),
    Mutant(
        name="shows-the-catalogs-version",
        breaks="Shows the catalog's version in list-peers instead of the advertised one.",
        edits=(
            Edit("peer.py", old="starmap(_peer_row, now)", new="starmap(self._peer_row, now)"),
            Edit(
                "peer.py",
                old="    def _list_games(self",
                new="    def _peer_row(self, *what: Any) -> messages.PeerRow:\n"
                "        row = _peer_row(*what)\n"
                "        for game in row.games:\n"
                "            if game.id in self._catalog:\n"
                "                version = self._catalog[game.id].version\n"
                "                msgspec.structs.force_setattr(game, 'eti_version', version)\n"
                "        return row\n"
                "\n"
                "    def _list_games(self",
            ),
            Edit("peer.py", old="import time\n", new="import time\n\nimport msgspec\n"),
        ),
        noticed_by={
            "S15": ("versions as advertised",),
            "S36": ("versions as advertised",),
        },
    ),
    Mutant(
        name="shows-no-version",
        breaks="Shows a game's id instead of its advertised version.",
        edits=(Edit("peer.py", old="eti_version=game.version,", new="eti_version=game.id,"),),
        noticed_by={
            "S2": (
                "games of bravo as alpha sees them",
                "games of alpha as bravo sees them",
            ),
            "S23": (
                "cnc4 as advertised before",
                "cnc4 as advertised in between",
                "cnc4 as advertised",
            ),
            "S35": ("mystery-game as advertised",),
            "S40": (
                "version of cod5 as observer sees it",
                "version of cod5 as late sees it",
            ),
        },
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
        noticed_by={
            "S35": ("client learns of the games of source",),
        },
        hurry=0.4,
    ),
    Mutant(
        name="touches-what-it-scans",
        breaks="Changes the times of a version.ini when it scans it.",
        edits=(
            Edit(
                "library/scan.py",
                old="    installed = stat.S_ISDIR(_mode(root / LOCAL_FOLDER))\n",
                new="    installed = stat.S_ISDIR(_mode(root / LOCAL_FOLDER))\n"
                "    if downloaded:\n"
                "        os.utime(root / VERSION_FILE)\n",
            ),
        ),
        noticed_by={
            "S1": ("always: fixtures unchanged",),
        },
        alone=True,
    ),
    Mutant(
        name="marks-an-empty-folder",
        breaks="Leaves a file of its own in an empty games folder.",
        edits=(
            Edit(
                "games_folder.py",
                old="        recovery.recover(games_dir, self._settings.state_dir, report)\n",
                new="        if not any(games_dir.iterdir()):\n"
                "            (games_dir / '.lanspread').touch()\n"
                "        recovery.recover(games_dir, self._settings.state_dir, report)\n",
            ),
        ),
        noticed_by={
            "S20": ("what is on the small disk before",),
        },
    ),
    Mutant(
        name="brings-a-game",
        breaks="Puts a game into an empty games folder.",
        edits=(
            Edit(
                "games_folder.py",
                old="        recovery.recover(games_dir, self._settings.state_dir, report)\n",
                new="        if not any(games_dir.iterdir()):\n"
                "            (games_dir / 'cod2').mkdir()\n"
                "            (games_dir / 'cod2' / 'version.ini').write_text('1')\n"
                "        recovery.recover(games_dir, self._settings.state_dir, report)\n",
            ),
        ),
        noticed_by={
            "S3": ("the client's own games",),
        },
    ),
)
