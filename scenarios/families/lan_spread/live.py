"""Live peers, at the keyboard."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Mount, NodeSpec, Placed, Program
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.programs import PEER_PROGRAM
from scenarios.family.live import LiveNode, LivePlace, Prepared, Progress


def prepare(place: LivePlace, program: Program) -> Prepared:
    """Prepare a peer with the games of fixture-NAME and a state folder."""
    copied = _copy_games(place.name, place.folder / "games")
    (place.folder / "state").mkdir()
    catalog = fixtures.catalog_path()
    spec = NodeSpec(
        name=place.name,
        program=program,
        arguments=(
            *("--name", place.name),
            *("--games-dir", Placed(Mount(place.folder / "games", writable=True))),
            *("--state-dir", Placed(Mount(place.folder / "state", writable=True))),
            *("--catalog-db", Placed(Mount(catalog.parent), catalog.name)),
            *("--listen", place.listen),
        ),
    )
    return Prepared(spec, f"Its games: {copied}.")


def progress(data: Mapping[str, Any]) -> Progress:
    """Parse a `download-progress`."""
    return Progress(
        item=str(data.get("game_id")),
        done=int(data.get("downloaded_bytes", 0)),
        total=int(data.get("total_bytes", 0)),
        bytes_per_second=float(data.get("bytes_per_second", 0)),
        sources=int(data.get("active_peer_count", 0)),
    )


LIVE_PEER = LiveNode(
    program=PEER_PROGRAM.name,
    prepare=prepare,
    about="A peer gets a private copy of the games of fixture-NAME; without such a fixture it "
    "starts with no games.",
    examples="connect 127.0.0.2:4000     download ggoo --no-install     peers     games",
    nicknames={
        "peers": "list-peers",
        "games": "list-games",
        "cancel": "cancel-download",
        "stream": "stream-install",
    },
    reaches={"connect": "addr"},
    row_names=("id", "game_id", "name", "addr", "peer_id"),
    minor=frozenset(["download-chunk-finished"]),
    progress={"download-progress": progress},
)


def _copy_games(name: str, target: Path) -> str:
    """Copy the games, so that the live node cannot change the fixture; return a description."""
    try:
        source = fixtures.games_dir(f"fixture-{name}")
    except ValueError:
        target.mkdir()
        return "none"
    shutil.copytree(source, target)
    return "a copy of " + ", ".join(sorted(path.name for path in target.iterdir()))
