"""What a ticket permits, and how many one address gets: S59, S94."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import catalog_version
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.raw_client import NO_BYTES, Answer, sent
from scenarios.families.lan_spread.specs import peer

NOTHING = Answer("", 0, NO_BYTES)
# docs/wire-protocol.md: one address's share of the download slots.
SLOTS_OF_AN_ADDRESS = 16
ASKED = 100


@scenario(
    "S59",
    name="Forged and replayed tickets",
    proves="A ticket works once, from the address that it was issued to: a ticket that is "
    "forged, changed by a bit, used before or stolen yields nothing, and a thief does not use "
    "it up",
)
def forged_tickets(lan: Lan) -> None:
    [server] = lan.start(peer("server", "fixture-bravo"))
    owner, thief = lan.raw_client("owner"), lan.raw_client("thief")
    session = owner.dial(server)
    archive = server.root("bfbc2") / "bfbc2.eti"
    want = ("bfbc2", catalog_version("bfbc2"), (archive.name, archive.stat().st_size))

    ticket = session.ticket(*want)
    lan.check.equal("a ticket that nobody issued", owner.redeem(server, "5a" * 32), NOTHING)
    changed = f"{int(ticket, 16) ^ 1:064x}"
    lan.check.equal("a ticket changed by a bit", owner.redeem(server, changed), NOTHING)
    lan.check.equal("a stolen ticket", thief.redeem(server, ticket), NOTHING)
    lan.check.equal("the ticket, after all that", owner.redeem(server, ticket), sent(archive))
    lan.check.equal("the ticket once more", owner.redeem(server, ticket), NOTHING)
    lan.check.equal("a new one", owner.redeem(server, session.ticket(*want)), sent(archive))
    lan.evidence("made up, changed, stolen and used tickets opened 0 bytes; the good ones all")


@scenario(
    "S94",
    name="One address and the slots",
    proves="Of a hundred tickets that one address requests it gets 16, and meanwhile another "
    "client downloads from the same source",
)
def slots_of_an_address(lan: Lan) -> None:
    server, client = lan.start(peer("server", "fixture-bravo"), peer("client"))
    session = lan.raw_client().dial(server)
    client.connect(server)
    archive = server.root("bfbc2") / "bfbc2.eti"
    want = (archive.name, archive.stat().st_size)
    given = len(session.tickets(ASKED, "bfbc2", catalog_version("bfbc2"), want))
    lan.check.equal("tickets given to one address", given, SLOTS_OF_AN_ADDRESS)
    download = client.download("bfbc2", install=False)
    download.finished()
    lan.evidence(f"{given} of {ASKED} tickets given; meanwhile {download.told()}")
