"""The relay by itself, and what it may do to a pair: P29 to P31, P37 to P39."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import json

from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import QUICK, Pair
from scenarios.families.pair.relay import Asker

ONE, TWO = "A" * 43, "B" * 43  # tokens
BLOB = json.dumps({"blob": "c29tZXRoaW5n"})
PROOF, OTHER_PROOF = {"Pair-Proof": "P" * 43}, {"Pair-Proof": "Q" * 43}
LONGEST_BLOB = 64 << 10
MISSES = 20  # a minute, from one address


@scenario(
    "P29", name="Register and fetch",
    proves="what was registered is fetched as it was; every wrong request gets its own status, and "
    "the method is looked at before the token, and that before the body",
)  # fmt: skip
def register_and_fetch(pair: Pair) -> None:
    pair.start_relay()
    asker = Asker(pair)
    pair.check.equal("register", asker.status("POST", "/register", ONE, body=BLOB), 201)
    fetched = asker.ask("GET", "/fetch", ONE)
    pair.check.equal("fetch", (fetched["status"], fetched["body"]), (200, BLOB))
    wrong = {
        "method before token": asker.status("PUT", "/register"),
        "no token": asker.status("POST", "/register", body="no JSON"),
        "another scheme": asker.status("POST", "/register", ONE, scheme="Basic", body="no JSON"),
        "no token to fetch": asker.status("GET", "/fetch"),
        "no JSON": asker.status("POST", "/register", ONE, body="no JSON"),
        "no blob": asker.status("POST", "/register", ONE, body="{}"),
        "empty blob": asker.status("POST", "/register", ONE, body='{"blob": ""}'),
        "too long": asker.node.request(
            "giant", addr=pair.relay_addr, token=ONE, size=LONGEST_BLOB + 1
        )["status"],
    }
    pair.check.equal(
        "wrong requests", wrong,
        {
            "method before token": 405,
            "no token": 401,
            "another scheme": 401,
            "no token to fetch": 401,
            "no JSON": 400,
            "no blob": 400,
            "empty blob": 400,
            "too long": 400,
        },
    )  # fmt: skip
    presence = [
        asker.status("GET", "/presence", ONE),
        asker.status("POST", "/presence", ONE),
        asker.status("GET", "/presence", ONE),
    ]
    pair.check.equal("presence before, told, after", presence, [404, 204, 200])


@scenario("P30", name="Nothing there", proves="what nobody registered is 404, and so is the bridge")
def nothing_there(pair: Pair) -> None:
    pair.start_relay()
    asker = Asker(pair)
    paths = {path: asker.status("GET", path, ONE) for path in ("/fetch", "/bridge", "/nowhere")}
    pair.check.equal("statuses", paths, dict.fromkeys(paths, 404))
    pair.check.equal("healthz", asker.status("GET", "/healthz"), 200)


@scenario(
    "P31", name="Tokens apart", proves="one token's entry is never seen or changed with another"
)
def tokens_apart(pair: Pair) -> None:
    pair.start_relay()
    asker = Asker(pair)
    other = json.dumps({"blob": "b3RoZXI"})
    asker.status("POST", "/register", ONE, body=BLOB)
    pair.check.equal("the other's", asker.status("GET", "/fetch", TWO), 404)
    asker.status("POST", "/register", TWO, body=other)
    fetched = [json.loads(asker.ask("GET", "/fetch", token)["body"]) for token in (ONE, TWO)]
    pair.check.equal("both", fetched, [json.loads(BLOB), json.loads(other)])
    metrics = asker.ask("GET", "/metrics")["body"]
    pair.check.true("metrics name no token", ONE not in metrics and "c29t" not in metrics, metrics)


@scenario(
    "P37", name="Relay down, full, restarted, forgetful",
    proves="one that is down or full is told of; a pair finds each other when the relay comes up, "
    "goes on without it, and again after a restart in which it forgot everything",
)  # fmt: skip
def relay_down(pair: Pair) -> None:
    pair.start(flags=QUICK, middle=True, join=False)
    pair.relay.kill()
    windows = [peer.window() for peer in pair.peers]
    for peer in pair.peers:
        peer.join(pair.relay_url)
    for window in windows:
        window.wait_event("connect-failed", code="relay-unreachable")
    pair.start_relay(("--max-entries", "1"), again=True)
    told = pair.middle.everything()
    told.wait_event("asked", status=503, where=lambda one: "/register" in one.data["request"])
    pair.relay.kill()
    pair.start_relay(("--ttl", "2"), again=True)
    for window in windows:
        window.wait_event("peer-connected", timeout=60)
    pair.relay.kill()
    pair.alpha.shares("without.bin", 1000)
    pair.bravo.pulls("without.bin")
    pair.same("without a relay", pair.bravo, "pulled/without.bin", pair.alpha, "without.bin")
    windows = [peer.window() for peer in pair.peers]
    pair.start_relay(("--ttl", "2"), again=True)
    pair.middle.request("cut")
    for window in windows:
        window.wait_event("peer-connected", timeout=60)
    # A second after its entry would have expired it is there: peers refresh it.
    asker = Asker(pair)
    asked = asker.node.request("stays", addr=pair.relay_addr, token=token_of(pair), seconds=3)
    pair.check.equal("entry after its time", asked["status"], 200)
    asker.status("POST", "/register", ONE, body=BLOB)
    gone = asker.node.request("stays", addr=pair.relay_addr, token=ONE, seconds=3)
    pair.check.equal("entry that nobody refreshes", gone["status"], 404)


def token_of(pair: Pair) -> str:
    """Return the token of the peer that listens."""
    return str(pair.middle.request("token", fingerprint=pair.lower.fingerprint)["token"])


@scenario(
    "P38", name="Guesses",
    proves="after 20 misses an address gets 429 and is told for how long; a pair connects all the "
    "same",
)  # fmt: skip
def guesses(pair: Pair) -> None:
    pair.start(join=False)
    guesser = Asker(pair)
    told = guesser.times("guess", 5 * MISSES)
    pair.check.equal("statuses", told["statuses"], {"404": MISSES, "429": 4 * MISSES})
    wait = told["headers"].get("retry-after", "not told")
    pair.check.true("Retry-After", wait.isdigit() and 0 < int(wait) <= 60, wait)
    pair.join()
    pair.check.equal("the pair", pair.bravo.status()["connection"], "connected")


@scenario(
    "P39", name="Squatting",
    proves="whoever knows a fingerprint cannot replace its registration without the proof; the "
    "pair connects all the same; who gives no proof may overwrite only what has none",
)  # fmt: skip
def squatting(pair: Pair) -> None:
    pair.start(middle=True, join=False)
    windows = [peer.window() for peer in pair.peers]
    pair.lower.join(pair.relay_url)
    pair.lower.node.everything().wait_event("registered")
    squatter = Asker(pair)
    token = token_of(pair)
    overwrites = [
        squatter.status("POST", "/register", token, body=BLOB),
        squatter.status("POST", "/register", token, body=BLOB, headers=PROOF),
    ]
    pair.check.equal("with no proof, with another", overwrites, [409, 409])
    own = [
        squatter.status("POST", "/register", ONE, body=BLOB, headers=PROOF),
        squatter.status("POST", "/register", ONE, body=BLOB, headers=OTHER_PROOF),
        squatter.status("POST", "/register", ONE, body=BLOB, headers=PROOF),
        squatter.status("POST", "/register", TWO, body=BLOB),
        squatter.status("POST", "/register", TWO, body=BLOB),
    ]
    pair.check.equal("own entries", own, [201, 409, 201, 201, 201])
    pair.lower.other.join(pair.relay_url)
    for window in windows:
        window.wait_event("peer-connected")
