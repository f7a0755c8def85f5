"""What a peer serves and what it refuses: S12."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.content import block_hashes
from scenarios.families.lan_spread.games import (
    File,
    Link,
    Without,
    catalog_version,
    game,
    made_game,
)
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.raw_client import denied, sent
from scenarios.families.lan_spread.specs import peer

SECRET = b"what nobody may read\n"
# Forbidden paths and the files that they would reach, all of which exist.
BAD_PATHS = {
    "a path under local/": "local/save.dat",
    "a path with ..": "../secret.txt",
    "a path with .. back into the root": "local/../bfbc2.eti",
    "an absolute path": "/etc/passwd",
    "a link out of the root": "escape.txt",
    "a path through a link out of the root": "outside/secret.txt",
}
# By game: the requested version, and the code of the refusal.
BAD_GAMES = {
    "a game that is not in the catalog": ("mystery-game", "1", "not-in-catalog"),
    "a game of the wrong version": ("cnc4", "20170204", "wrong-version"),
    "a game of the wrong version, asked for as it is": ("cnc4", "20150101", "wrong-version"),
    "a game without its sentinel": ("cod5", "20160920", "not-downloaded"),
}


@scenario(
    "S12",
    name="Serve gates",
    proves="A raw client is refused, with a code and without a byte, a game that is not in the "
    "catalog, has the wrong version, lacks its sentinel or has a running operation, and a path "
    "under `local/`, with `..`, absolute, or through a link out of the root; a valid request is "
    "served",
)
def serve_gates(lan: Lan) -> None:
    origin, server = lan.start(
        peer("origin", [made_game("alienswarm", 8 << 20, "S12")]),
        peer(
            "server",
            [
                game("bfbc2", "fixture-bravo"),
                File("bfbc2/local/save.dat", SECRET),
                File("secret.txt", SECRET),
                Link("bfbc2/escape.txt", "../secret.txt"),
                Link("bfbc2/outside", ".."),
                made_game("mystery-game", 70_000, "S12", version="1"),
                game("cnc4", "fixture-bravo", version="20150101"),
                game("cod5", "fixture-charlie"),
                Without("cod5/version.ini"),
                made_game("alienswarm", 8 << 20, "S12"),
            ],
            # So slow that a download of alienswarm outlasts this scenario.
            download_limit="100KiB",
        ),
    )
    server.connect(origin)
    session = lan.raw_client().dial(server)
    lan.check.equal("the id that the server proved", session.peer_id, server.peer_id)
    archive, sentinel = (server.root("bfbc2") / name for name in ("bfbc2.eti", "version.ini"))
    version = catalog_version("bfbc2")
    sizes = [(file.name, file.stat().st_size) for file in (archive, sentinel)]

    lan.step("what is allowed")
    lan.check.equal("the manifest of the good game is given", session.manifest_code("bfbc2"), "")
    manifest = session.manifest("bfbc2")
    lan.check.equal("manifest of the good game", manifest["version"], version)
    lan.check.equal(
        "files of the good game",
        [(file["path"], file["size"], file["blocks"]) for file in manifest["files"]],
        [
            (file.name, file.stat().st_size, [block.hex() for block in block_hashes(file)])
            for file in (archive, sentinel)
        ],
    )
    good = sent(archive, sentinel)
    lan.check.equal("the good one", session.fetch("bfbc2", version, *sizes), good)

    lan.step("paths that are never served")
    for kind, path in BAD_PATHS.items():
        answer = session.fetch("bfbc2", version, (path, len(SECRET)))
        lan.check.equal(kind, answer, denied("bad-path"))
    lan.check.equal(
        "each of them behind good ones",
        {
            kind: session.fetch("bfbc2", version, *sizes, (path, len(SECRET)))
            for kind, path in BAD_PATHS.items()
        },
        dict.fromkeys(BAD_PATHS, denied("bad-path")),
    )

    lan.step("games that are not served")
    stale = session.fetch("bfbc2", "20200101", *sizes)
    lan.check.equal("another version than the server's", stale, denied("wrong-version"))
    for kind, (game_id, asked, code) in BAD_GAMES.items():
        answer = session.fetch(game_id, asked, (f"{game_id}.eti", 1000))
        lan.check.equal(kind, answer, denied(code))
    lan.check.equal(
        "the manifests of these games",
        {kind: session.manifest_code(game_id) for kind, (game_id, _, _) in BAD_GAMES.items()},
        {kind: code for kind, (_, _, code) in BAD_GAMES.items()},
    )

    lan.step("a game under an operation")
    busy = server.root("alienswarm") / "version.ini"
    ask = ("alienswarm", catalog_version("alienswarm"), (busy.name, busy.stat().st_size))
    lan.check.equal("the game before the operation", session.fetch(*ask), sent(busy))
    download = server.download("alienswarm", install=False)
    download.begun()
    lan.check.equal("a game under an operation", session.fetch(*ask), denied("operation-active"))
    lan.check.equal(
        "the manifest of a game under an operation",
        session.manifest_code("alienswarm"),
        "operation-active",
    )
    lan.check.equal(
        "the operation, all the while",
        server.operations(),
        [{"game_id": "alienswarm", "operation": "Downloading"}],
    )
    download.cancel()
    lan.check.equal("the game after the operation", session.fetch(*ask), sent(busy))

    lan.check.equal("the good one, after all that", session.fetch("bfbc2", version, *sizes), good)
    refusals = 2 * len(BAD_PATHS) + 2 * len(BAD_GAMES) + 3
    lan.evidence(
        f"{refusals} refusals, each by its code and with 0 bytes; the good game came twice, "
        f"{good.received} bytes with the right SHA-256, its manifest with the right BLAKE3"
    )
