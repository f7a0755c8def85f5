"""Floods of those whom a peer has let in, while others are served."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from statistics import median

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import File, catalog_version, game, made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.raw_client import advertised
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.streams import drains, outbound

MIB = 1 << 20
# docs/wire-protocol.md: what one address gets of the slots.
DOWNLOADS_OF_AN_ADDRESS = 16
STREAMS_OF_AN_ADDRESS = 2
STREAMS = 8


@scenario(
    "S96",
    name="Readers of a byte a second",
    proves="One address asks for a hundred tickets and reads a byte a second of what each opens: "
    "it holds 16 transfers, others download from that peer meanwhile, and that peer from others; "
    "they are cut off in the end, and do not hold up a shutdown",
)
def slow_readers(lan: Lan) -> None:
    server, client = lan.start(
        peer("server", [made_game("bf1942", 16 * MIB, "S96"), game("cnc4", "fixture-bravo")]),
        peer("client", [game("ggoo", "fixture-alpha")]),
    )
    raw = lan.raw_client()
    session = raw.dial(server)
    client.connect(server)
    want = ("bf1942", catalog_version("bf1942"), ("bf1942.eti", 16 * MIB))
    tickets = session.tickets(100, *want)
    raw.hold(server, tickets)
    lan.check.equal("what is held", outbound(server), {"bf1942": DOWNLOADS_OF_AN_ADDRESS})

    lan.step("others download meanwhile, and it itself")
    download = client.download("bf1942", install=False)
    download.finished()
    server.download("ggoo", install=False).finished()
    lan.step("they are cut off")
    drains(lan, server, timeout=45)

    lan.step("they come again, and the peer is told to leave")
    raw.hold(server, session.tickets(100, *want))
    lan.check.equal("what is held at last", outbound(server), {"bf1942": DOWNLOADS_OF_AN_ADDRESS})
    server.shutdown()
    lan.evidence(f"{len(tickets)} slow readers held; meanwhile {download.told()}")


RANGES = 1024
ROUNDS = 4
BEFORE = 18  # requests as costly, for a peer that has some of them free for everybody


@scenario(
    "S97",
    name="Requests for many ranges",
    proves=f"One address asks {ROUNDS} times at once for {RANGES} ranges of as many files, each "
    f"time followed by a request for one, after it has asked for as many {BEFORE} times: they are "
    "answered one by one, and after each comes a pause longer than it took; another address waits "
    "for none of them, and downloads meanwhile",
)
def many_ranges(lan: Lan) -> None:
    paths = [f"d/d/d/d/{number}" for number in range(RANGES)]
    files = [File(f"css/{path}", b"x") for path in paths]
    version = File("css/version.ini", catalog_version("css").encode())
    server, client = lan.start(
        peer("server", [*files, version, game("ggoo", "fixture-alpha")]), peer("client")
    )
    session = lan.raw_client().dial(server)
    other = lan.raw_client("other").dial(server)
    client.connect(server)
    for _ in range(3):
        session.press("css", [paths] * (BEFORE // 3))
        session.pressed(BEFORE // 3)
    session.press("css", [paths, paths[:1]] * ROUNDS)
    session.stream_tickets(1, "ggoo")  # once this has its answer, all before it has been read
    other.ticket("css", catalog_version("css"), (paths[0], 1))
    before = len(session.pressed())
    lan.check.true("another address does not wait", before < ROUNDS, f"{before} came before it")
    download = client.download("ggoo", install=False)
    download.finished()
    server.status()

    for count in range(2 * ROUNDS):
        session.pressed(count)
    answers = session.pressed(2 * ROUNDS)
    order = [place for place, _ in answers]
    lan.check.equal("the order of the answers", order, list(range(2 * ROUNDS)))
    after = [after for _, after in answers]
    costly = [two - one for one, two in zip([0.0, *after[1::2]], after[::2], strict=False)]
    cheap = [two - one for one, two in zip(after[::2], after[1::2], strict=True)]
    # What follows a costly request takes nothing itself.
    waited, took = median(cheap), median(costly)
    figures = f"{took:.3f} s for {RANGES} ranges, and {waited:.3f} s for one after them"
    lan.check.true("a costly request is paid for", waited > took, figures)
    lan.evidence(f"{figures}; meanwhile {download.told()}")


@scenario(
    "S82",
    name="Helpers of strangers",
    proves="Five addresses ask for 150 streams, and read a byte a second of what they get: each "
    "has 2, all have 8, so many helpers unpack and no more; meanwhile the peer installs what it "
    "has itself",
)
def helpers_of_strangers(lan: Lan) -> None:
    [server] = lan.start(peer("server", [game(one, "fixture-bravo") for one in ("cnctw", "ggoo")]))
    given = []
    for number in range(5):
        raw = lan.raw_client(f"raw-{number}")
        tickets = raw.dial(server).stream_tickets(30, "cnctw")
        raw.hold(server, tickets[: 2 * STREAMS_OF_AN_ADDRESS])  # all would choke one that gives 30
        given.append(len(tickets))
    want = [STREAMS_OF_AN_ADDRESS] * (STREAMS // STREAMS_OF_AN_ADDRESS) + [0]
    lan.check.equal("streams given to each address", given, want)
    lan.check.equal("streams that go out", outbound(server), {"cnctw": STREAMS})
    installed = server.install("ggoo")
    lan.evidence(f"{sum(given)} of 150 streams given; meanwhile {installed.name}")


# Four of these manifests are more than a system's buffers hold for one connection.
LONG = "/".join("n" * 250 for _ in range(4))
LARGE = 3_000  # files, so that a manifest has 3 MB
DEAF = 8


@scenario(
    "S90",
    name="Sessions that do not read",
    proves=f"{DEAF} peers of one address ask again and again for a large manifest and read nothing "
    "any more: the memory of the peer grows by at most 64 MiB, others download from it meanwhile, "
    "and who takes nothing of a large answer is dropped with the reason `timeout`",
)
def sessions_that_do_not_read(lan: Lan) -> None:
    files = [File(f"css/{LONG}{number}", b"") for number in range(LARGE)]
    version = File("css/version.ini", catalog_version("css").encode())
    server, client = lan.start(
        peer("server", [*files, version, game("ggoo", "fixture-alpha")], launched=True),
        peer("client"),
    )
    raw = lan.raw_client()
    first = raw.dial(server)
    first.press_manifests("css", 1)
    first.pressed(1)  # so that all is hashed
    deaf = [raw.dial(server, fresh=True) for _ in range(DEAF)]
    client.connect(server)
    before = server.node.request("memory").get("bytes")
    window = server.window()
    for session in deaf:
        session.stop_reading()
        session.press_manifests("css", 4)
    download = client.download("ggoo", install=False)
    download.finished()
    # Of one address, two large answers are under way; who asks meanwhile is denied.
    window.wait_event(
        "peer-disconnected", name="raw client", reason="timeout", timeout=20,
        what="the one that takes nothing is dropped",
    )  # fmt: skip
    after = server.node.request("memory").get("bytes")
    if before is not None and after is not None:
        grown = after - before
        lan.check.true("its memory stays", grown <= 64 * MIB, f"{grown / MIB:.0f} MiB more")
    kept = [one["game_count"] for one in server.node.request("list-peers")["peers"]]
    lan.evidence(f"memory grew by {(after or 0) - (before or 0)} bytes, {kept}; {download.told()}")


MESSAGES = 90
SESSIONS = 8
# At 100 messages a second, the first hundred at once.
AT_LEAST_S = (MESSAGES * SESSIONS - 2 * 100) / 100


@scenario(
    "S91",
    name="Cheap messages of many sessions",
    proves=f"One address opens {SESSIONS} sessions and sends {MESSAGES} cheap requests in each at "
    f"once: all are answered, at no more than 100 a second together; another client downloads "
    "meanwhile",
)
def cheap_messages_of_many_sessions(lan: Lan) -> None:
    server, client = lan.start(peer("server", "fixture-alpha"), peer("client"))
    raw = lan.raw_client()
    sessions = [raw.dial(server, fresh=True) for _ in range(SESSIONS)]
    client.connect(server)
    for session in sessions:
        session.press("cod2", [["not-here"]] * MESSAGES)
    download = client.download("ggoo", install=False)
    download.finished()
    for session in sessions:
        for count in range(10, MESSAGES + 1, 10):
            session.pressed(count)
    took = max(session.pressed(MESSAGES)[-1][1] for session in sessions)
    figures = f"{MESSAGES * SESSIONS} answers in {took:.1f} s"
    lan.check.true("all sessions share the rate", took >= AT_LEAST_S, figures)
    lan.evidence(f"{figures}; meanwhile {download.told()}")


SOURCES = 8
FILES = 190_000  # nearly as many as a manifest may list


@scenario(
    "S105",
    name="Manifests that nobody asked for",
    proves=f"{SOURCES} sources answer every question with a manifest of {FILES} files: the peer "
    "that asks takes at most 128 MiB of memory, and downloads from an honest one",
)
def manifests_that_nobody_asked_for(lan: Lan) -> None:
    source, client = lan.start(
        peer("source", [made_game("css", MIB, "honest")]), peer("client", launched=True)
    )
    for number in range(SOURCES):
        raw = lan.raw_client(f"liar-{number}")
        raw.offer("css", rows=FILES)
        raw.dial(client).advertise(advertised("css", catalog_version("css")))
    client.connect(source)
    download = client.download("css", install=False)
    download.finished()
    lan.evidence(f"at most {most_memory(lan, client)} MiB; {download.told()}")


ADDRESSES = 5
LIBRARIES = 8  # of each address
ROWS = 10_000  # of each library: the most that one may have, and nearly what its frame holds


@scenario(
    "S103",
    name="Large libraries of many",
    proves=f"{ADDRESSES} addresses send {LIBRARIES} libraries each, all of {ROWS} games: "
    "the peer takes at most 128 MiB of memory, those whose libraries are too much are "
    "disconnected, the others stay, and another client downloads meanwhile",
)
def large_libraries_of_many(lan: Lan) -> None:
    server, client = lan.start(peer("server", "fixture-alpha", launched=True), peer("client"))
    strangers = [lan.raw_client(f"stranger-{number}") for number in range(ADDRESSES)]
    sessions = [raw.dial(server, fresh=True) for _ in range(LIBRARIES) for raw in strangers]
    client.connect(server)
    window = server.window()
    for number, session in enumerate(sessions):
        session.advertise(advertised(f"{number}-", times=ROWS))
    download = client.download("ggoo", install=False)
    download.finished()
    window.wait_event("peer-disconnected", name="raw client", what="some are disconnected")
    # A library may still make others too much, so count when all are taken.
    for _ in range(2):
        stay = sum(session.manifest_code("cod2") == "not-downloaded" for session in sessions)
    memory = most_memory(lan, server)
    lan.check.between("sessions that stay", stay, ADDRESSES, len(sessions) // 2)
    lan.evidence(f"{stay} sessions stay, at most {memory} MiB; {download.told()}")


def most_memory(lan: Lan, of: Peer) -> int:
    """Check the most memory that a peer has taken, where that is told; return it in MiB."""
    memory = of.node.request("memory").get("bytes")
    if memory is not None:
        lan.check.between("bytes of its memory", memory, 0, 128 * MIB)
    return (memory or 0) >> 20
