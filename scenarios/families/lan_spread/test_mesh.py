"""Networks of more than two peers: empty peers, source counts, relayed games: S29 to S31."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from collections import Counter

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import catalog_version, game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import advertised_row, known_row, local_row, remote_row
from scenarios.families.lan_spread.specs import peer

# The fixture of each game, and the two games of each peer.
FIXTURE_OF = {
    "ggoo": "fixture-alpha",
    "bf1942": "fixture-alpha",
    "cnc4": "fixture-bravo",
    "cnctw": "fixture-bravo",
    "cod5": "fixture-charlie",
    "coh": "fixture-charlie",
}
MESH = {
    "a": ("ggoo", "bf1942"),
    "b": ("ggoo", "cnc4"),
    "c": ("cnc4", "cod5"),
    "d": ("cnctw", "coh"),
    "e": ("cnctw", "bf1942"),
}


@scenario(
    "S29",
    name="Empty peer takes part",
    proves="An observer is connected to a peer without games, which then downloads alienswarm "
    "from a source: it is listed with 0 games, then with alienswarm; the files are the "
    "source's",
)
def empty_peer_takes_part(lan: Lan) -> None:
    source, empty, observer = lan.start(
        peer("source", "fixture-alpha"), peer("empty"), peer("observer")
    )
    observer.connect(empty)
    lan.check.equal("the observer's peers before", observer.known(), [known_row(empty, 0)])
    lan.check.equal("what is offered before", observer.remote(), [])
    empty.connect(source)
    window = observer.window()
    download = empty.download("alienswarm", install=False)
    download.finished()
    told = window.wait_event(
        "remote-library-changed",
        peer_id=empty.peer_id,
        game_count=1,
        what="the observer sees the game",
    )
    root = empty.root("alienswarm")
    lan.check.equal("the observer's peers", observer.known(), [known_row(empty, 1)])
    lan.check.equal("advertised", observer.advertised_by(empty), [advertised_row(root)])
    lan.check.equal("what is offered", observer.remote(), [remote_row(root, sources=1)])
    lan.same_game("alienswarm", empty, source)
    window.none_of("peer-connected", "peer-disconnected", what="the observer met nobody else")
    finished = download.finished()
    lan.evidence(
        f"{download.told()}; 0 games before, seen by the observer {told.at - finished.at:+.3f} s "
        "from the finish on"
    )


@scenario(
    "S30",
    name="Five-peer mesh",
    proves="Five peers in a full mesh with two games each: every game has 2 sources, but cod5 and "
    "coh 1, at the catalog's version; no row twice; the client does not list itself",
)
def five_peer_mesh(lan: Lan) -> None:
    *mesh, client = lan.start(
        *(
            peer(name, [game(game_id, FIXTURE_OF[game_id]) for game_id in games])
            for name, games in MESH.items()
        ),
        peer("client"),
    )
    for number, one in enumerate(mesh):
        one.connect(*mesh[number + 1 :])
    client.connect(*mesh)

    counts = Counter(game_id for games in MESH.values() for game_id in games)
    owners = {game_id: one for one in mesh for game_id in MESH[one.name]}
    remote = client.remote()
    lan.check.equal("one row per game", sorted(row["id"] for row in remote), sorted(counts))
    lan.check.equal(
        "rows of what others offer",
        remote,
        [remote_row(owners[one].root(one), sources=counts[one]) for one in sorted(counts)],
    )
    lan.check.equal(
        "sources by game",
        {row["id"]: row["peer_count"] for row in remote},
        {"ggoo": 2, "bf1942": 2, "cnc4": 2, "cnctw": 2, "cod5": 1, "coh": 1},
    )
    lan.check.equal(
        "versions",
        {row["id"]: row["eti_game_version"] for row in remote},
        {game_id: catalog_version(game_id) for game_id in counts},
    )
    everybody = [(one, len(MESH[one.name])) for one in mesh] + [(client, 0)]
    for one, _ in everybody:
        others = [known_row(other, games) for other, games in everybody if other is not one]
        lan.check.equal(
            f"peers of {one}, each once and not itself",
            sorted(one.known(), key=lambda row: str(row["name"])),
            sorted(others, key=lambda row: str(row["name"])),
        )
        one.everything().none_of(
            "peer-connected", peer_id=one.peer_id, what=f"{one} never met itself"
        )
    told = ", ".join(f"{row['id']} {row['peer_count']}" for row in remote)
    lan.evidence(f"15 connects among 6 peers; sources: {told}")


@scenario(
    "S31",
    name="Bootstrapped source",
    proves="A second peer downloads alienswarm, the origin is killed, and a third downloads it "
    "from the second: finished, with the origin's files",
)
def bootstrapped_source(lan: Lan) -> None:
    origin, second, third = lan.start(
        peer("origin", "fixture-alpha"), peer("second"), peer("third")
    )
    second.connect(origin)
    third.connect(origin, second)
    window = third.window()
    lan.check.equal("sources at first", third.sources_of("alienswarm"), 1)
    second.download("alienswarm", install=False).finished()
    window.wait_event("remote-library-changed", peer_id=second.peer_id, game_count=1)
    lan.check.equal("sources with the second", third.sources_of("alienswarm"), 2)
    origin.node.kill()
    window.wait_event("peer-disconnected", peer_id=origin.peer_id)
    lan.check.equal("sources without the origin", third.sources_of("alienswarm"), 1)

    download = third.download("alienswarm", install=False)
    download.finished()
    lan.check.equal("who served", download.served_by(lan.peers), {"second"})
    lan.check.equal("the third's games", third.local(), [local_row(third.root("alienswarm"))])
    lan.same_game("alienswarm", third, origin)
    lan.evidence(f"{download.told()}, from the second, the origin dead")
