"""Games that are odd but right: an id as long as a name can be, and versions in other encodings."""

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import File, catalog_version, game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.test_bad_folders import is_not_shared, stderr_about

LONG_ID = "g" * 255


@scenario(
    "S107",
    name="Versions from other editors",
    proves="A `version.ini` in UTF-16, as editors on Windows write it, has the version that people "
    "see: the game is offered and downloads completely; one in no known encoding is a `problem` of "
    "its game, which stderr reports once",
)
def versions_from_other_editors(lan: Lan) -> None:
    """Save the versions of two games in other encodings."""
    version = catalog_version("ggoo")
    source, client = lan.start(
        peer(
            "source",
            [
                game("ggoo", "fixture-alpha"),
                File("ggoo/version.ini", f"\ufeff{version}\r\n".encode("utf-16-le")),
                game("cnc4", "fixture-bravo"),
                File("cnc4/version.ini", b"20\xe415"),
            ],
        ),
        peer("client"),
    )
    client.connect(source)
    is_not_shared(lan, source, "cnc4")
    lan.check.equal("sources of ggoo", client.sources_of("ggoo"), 1)
    download = client.download("ggoo", install=False)
    download.finished()
    lan.same_game("ggoo", client, source)
    source.shutdown()
    told = stderr_about(source, "cnc4")
    lan.check.equal("lines of the source's stderr about cnc4", len(told), 1)
    lan.evidence(f"{told[:1]}; {download.told()}")


@scenario(
    "S108",
    name="Id as long as a name",
    proves="A game whose id has 255 bytes, the most that a folder's name can have, is downloaded "
    "and removed; removing it again is refused, and is not an internal error",
)
def id_as_long_as_a_name(lan: Lan) -> None:
    """Download a game of a long id, and remove it twice."""
    files = [File(f"{LONG_ID}/version.ini", b"1\n"), File(f"{LONG_ID}/data/pak", b"pak" * 1000)]
    catalog = lan.catalog_with(LONG_ID, version="1")
    source, client = lan.start(
        peer("source", files, flags=["--catalog-db", catalog]),
        peer("client", flags=["--catalog-db", catalog]),
    )
    client.connect(source)
    download = client.download(LONG_ID, install=False)
    download.finished()
    lan.same_game(LONG_ID, client, source)
    client.remove(LONG_ID)
    lan.check.equal("games of the client", client.local(), [])
    refused = client.node.refused("remove", game_id=LONG_ID)
    lan.check.equal("code of the second removal", refused.code, "nothing-to-remove")
    lan.evidence(f"an id of {len(LONG_ID)} bytes: downloaded, removed, then {refused.code}")
