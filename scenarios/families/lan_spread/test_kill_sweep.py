"""One side is killed at any moment of a transfer, and the other never hangs: S66, S67.

Each of several transfers gets its own kill, at the first event of one kind, from the request of the
transfer to its last byte.
"""

# ruff: noqa: D103 - the decorator says what a scenario proves

from collections.abc import Callable
from dataclasses import dataclass

from scenarios.core.log import Event
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.attempts import OUTCOMES
from scenarios.families.lan_spread.downloads import Download
from scenarios.families.lan_spread.games import made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, local_row
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.streams import drains

MIB = 1 << 20
# At this rate a transfer takes three seconds, with progress every half second.
RATE = "4MiB"
SIZE = 12 * MIB
# Twice the stall timeout, to allow for a busy machine.
ENDS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A transfer of a game and the event in it that triggers the kill."""

    game_id: str
    event: str
    streamed: bool = False

    def begin(self, client: Peer) -> Download:
        """Start the transfer."""
        if self.streamed:
            return client.stream_install(self.game_id)
        return client.download(self.game_id, install=False)

    def comes_with(self, event: Event) -> bool:
        """Whether an event of this kind is about this game (for progress: with some bytes)."""
        if event.data.get("downloaded_bytes") == 0:
            return False
        active = event.data.get("active_operations", ())
        return self.game_id in (event.data.get("game_id"), *(row["game_id"] for row in active))

    def __str__(self) -> str:
        return f"{'stream' if self.streamed else 'download'} of {self.game_id} on {self.event}"


# All its bytes may have arrived before the kill.
LATEST = Moment("cod5", "download-chunk-finished")
MOMENTS = (
    Moment("bf1942", "active-operations-changed"),
    Moment("bfbc2", "got-game-files"),
    Moment("cnc4", "download-begin"),
    Moment("cnctw", "download-progress"),
    LATEST,
    Moment("cod6", "active-operations-changed", streamed=True),
    Moment("coh", "download-begin", streamed=True),
    Moment("css", "download-progress", streamed=True),
)


@scenario(
    "S66",
    name="Sources killed at every moment",
    proves="Eight transfers, downloads and streams, each from its own source, which is killed at "
    "a different kind of event: every one gets a terminal event within the stall timeout, no "
    "operation is left, and the client downloads from the next source",
)
def sources_killed_at_every_moment(lan: Lan) -> None:
    survivor, client, *sources = lan.start(
        peer("survivor", [made_game("ggoo", MIB, "S66")]),
        peer("client"),
        *(
            peer(f"source-{moment.game_id}", [made_game(moment.game_id, SIZE, "S66")],
                 upload_limit=RATE)
            for moment in MOMENTS
        ),
    )  # fmt: skip
    client.connect(survivor, *sources)
    transfers = [
        kill_on(lan, moment, client, source.node.kill)
        for moment, source in zip(MOMENTS, sources, strict=True)
    ]
    ends = [
        transfer.window.wait_event(
            *OUTCOMES, game_id=moment.game_id, timeout=ENDS_WITHIN_S,
            fails_on=[], what=f"an end of the {moment}",
        )
        for moment, transfer in zip(MOMENTS, transfers, strict=True)
    ]  # fmt: skip
    whole = finished(ends)
    lan.check.true("none of the others finished", whole in ([], [LATEST.game_id]), f"{whole} did")
    lan.check.equal("operations afterwards", client.operations(), [])
    rows = [local_row(client.root(game_id)) for game_id in whole]
    lan.check.equal("the client's games", client.local(), rows)
    client.download("ggoo", install=False).finished()
    lan.same_game("ggoo", client, survivor)
    told = zip(MOMENTS, ends, strict=True)
    lan.evidence(", ".join(f"{moment}: {end.name}" for moment, end in told))


@scenario(
    "S67",
    name="Receivers killed at every moment",
    proves="Eight clients of one source, each killed at a different kind of event of its download "
    "or stream: the source answers throughout, its outbound counts drop to none, and a ninth "
    "client downloads the game from it",
)
def receivers_killed_at_every_moment(lan: Lan) -> None:
    games = [made_game(moment.game_id, SIZE, "S67") for moment in MOMENTS]
    source, last, *clients = lan.start(
        peer("source", games, upload_limit="32MiB"),
        peer("last"),
        *(peer(f"client-{moment.game_id}") for moment in MOMENTS),
    )
    for client in (last, *clients):
        client.connect(source)
    for moment, client in zip(MOMENTS, clients, strict=True):
        kill_on(lan, moment, client, client.node.kill)
    took = drains(lan, source, ENDS_WITHIN_S)
    lan.check.equal("operations of the source", source.operations(), [])
    source.node.request("set-limits", upload=None, download=None)
    last.download("bf1942", install=False).finished()
    lan.same_game("bf1942", last, source)
    lan.evidence(f"8 receivers killed; the source sends nothing {took:.2f} s later and serves on")


def kill_on(lan: Lan, moment: Moment, client: Peer, kill: Callable[[], None]) -> Download:
    """Start a transfer, place its kill and wait until it has happened."""
    transfer = moment.begin(client)
    fault = lan.faults.when(
        transfer.window, moment.event, where=moment.comes_with, do=kill, what=f"kill in {moment}"
    )
    fault.carried_out()
    return transfer


def finished(ends: list[Event]) -> list[str]:
    """Return the games whose transfer finished."""
    return [str(end.data["game_id"]) for end in ends if end.name == "download-finished"]
