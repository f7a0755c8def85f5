"""Stdin and stdout as other programs use them: S100 to S102, S104."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import json

from scenarios.core.errors import NodeGone, WaitFailed
from scenarios.core.log import Line
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

PAUSES = 2
MIB = 1 << 20


@scenario(
    "S100",
    name="Non-blocking stdin",
    proves="A peer whose stdin and stdout are non-blocking, as when a launcher "
    "shares its own, answers commands that come one by one; having nothing to read is not EOF",
)
def non_blocking_stdin(lan: Lan) -> None:
    (alpha,) = lan.start(peer("alpha", "fixture-alpha", launched=True))
    answers = [_answers(alpha) for _ in range(PAUSES)]
    lan.check.equal("commands answered one by one", answers, [True] * PAUSES)
    lan.evidence(f"{PAUSES} commands, with nothing to read between them, all answered")


def _answers(asked: Peer) -> bool:
    # It finds nothing to read. The launcher answers this, so a peer that it cannot start is
    # unsupported.
    asked.node.request("rests")
    try:
        asked.status()
    except (NodeGone, WaitFailed):
        return False
    return True


def _command(**arguments: object) -> bytes:
    return json.dumps({"cmd": "status", **arguments}).encode()


# No peer can execute these; it must refuse each with a reason.
HOSTILE: dict[str, bytes] = {
    "an empty line": b"",
    "no JSON": b"status",
    "bytes that are no text": b"\xff\xfe\x00",
    "a NUL": b"\0",
    "a list": b"[]",
    "a hundred thousand brackets": b"[" * 100_000,
    "objects in objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "half an object": b'{"cmd":"status"',
    "two objects": b'{"cmd":"status"}{"cmd":"status"}',
    "a number that is none": b'{"cmd":"status","id":NaN}',
    "half a surrogate pair": b'{"cmd":"\\ud800"}',
    "no command": b"{}",
    "a command that is a number": _command(cmd=5),
    "a command that there is not": _command(cmd="fly"),
    "a line that is too long": b'{"cmd":"status"}'.ljust((1 << 20) + 1),
    "an argument too few": _command(cmd="connect"),
    "a count that is text": _command(cmd="wait-peers", count="1", timeout_ms=1),
    "a time of 400 digits": _command(cmd="wait-peers", count=9, timeout_ms=10**400),
    "an address that is none": _command(cmd="connect", addr="nowhere\0:70000"),
    "a rate that is none": _command(cmd="set-limits", upload="nan"),
    "a path of 5,000 bytes": _command(cmd="set-games-dir", path="/games/" + "x" * 5_000),
    "a path of 3,000 folders": _command(cmd="set-games-dir", path="/games" + "/a" * 3_000),
    "a path with a NUL": _command(cmd="set-games-dir", path="/games\0"),
    "a game of 250 bytes": _command(cmd="remove", game_id="x" * 250),
    "a game of 70,000 bytes": _command(cmd="install", game_id="ä" * 35_000),
    "a game that leads elsewhere": _command(cmd="uninstall", game_id="../../etc"),
    "a game with a NUL": _command(cmd="play", game_id="g\0", username="u", language="l"),
}


@scenario(
    "S101",
    name="Hostile lines",
    proves=f"{len(HOSTILE)} lines that no honest program writes, from garbage to a path of 5,000 "
    "bytes: each is refused with one reply that gives a reason and is not an internal error; the "
    "peer keeps running with its games",
)
def hostile_lines(lan: Lan) -> None:
    (alpha,) = lan.start(peer("alpha", "fixture-alpha"))
    before = alpha.local()
    told = {name: _told(alpha, line) for name, line in HOSTILE.items()}
    lan.check.equal("what hostile lines get", told, dict.fromkeys(HOSTILE, "refused"))
    lan.check.equal("games of alpha", alpha.local(), before)
    lan.evidence(f"{len(HOSTILE)} lines, each refused with a reason")


def _told(asked: Peer, line: bytes) -> str:
    """Classify the reply to a line."""

    def reply(answer: Line) -> dict[str, object] | None:
        message = answer.message if answer.stream == "out" else None
        return dict(message) if message and message.get("type") in ("result", "error") else None

    window = asked.node.send_line(line)
    answer = window.wait_for(reply, what=f"{asked}: a reply", wanted="one reply", recorded=False)
    if answer["type"] == "result":
        return "carried out"
    if answer.get("code") == "internal-error":
        return "called a defect"
    return "refused" if str(answer.get("error", "")).strip() else "refused without a reason"


GAMES = 1_500
GAME: dict[str, object] = {
    "id": "game", "version": "1", "size": 1,
    "availability": "Ready", "downloaded": True, "installed": False,
}  # fmt: skip
COMMANDS = 300
GROWS_AT_MOST = 24 * MIB


@scenario(
    "S102",
    name="Unread stdout",
    proves=f"Nobody reads a peer's stdout while {COMMANDS} commands come, each answered with "
    f"{GAMES} games: its memory grows by at most {GROWS_AT_MOST // MIB} MiB, and once stdout is "
    "read, all commands are answered",
)
def unread_stdout(lan: Lan) -> None:
    (alpha,) = lan.start(peer("alpha", "fixture-alpha", launched=True))
    session = lan.raw_client().dial(alpha)
    window = alpha.window()
    session.advertise({**GAME, "times": GAMES})
    window.wait_event("remote-library-changed", game_count=GAMES)
    before = alpha.node.request("memory")["bytes"]
    alpha.node.request("stop-reading")
    lan.step("commands")
    replies = [alpha.node.send("list-peers") for _ in range(COMMANDS)]
    alpha.node.request("rests")  # it has done what it does while nobody reads
    lan.step("read on")
    alpha.node.request("read-on")
    answered = sum(len(reply.data()["peers"]) for reply in replies)
    lan.check.equal("peers in all the replies", answered, COMMANDS)
    after = alpha.node.request("memory")["bytes"]
    if before is None:
        lan.evidence(f"{COMMANDS} commands answered; this system does not tell memory")
        return
    grown = after - before
    lan.check.between("bytes by which memory grows", grown, 0, GROWS_AT_MOST)
    lan.evidence(f"{COMMANDS} commands answered; at most {grown / MIB:.1f} MiB more memory")


NEWS = 60
TOLD_AT_MOST = NEWS // 2
FILLS_STDOUT = 40  # replies that list so many games, together more than may wait


@scenario(
    "S104",
    name="Unread news",
    proves=f"Nobody reads a peer's stdout, much is waiting there, and another changes its library "
    f"{NEWS} times: once stdout is read, the newest library is told, and of the older ones at most "
    f"{TOLD_AT_MOST}",
)
def unread_news(lan: Lan) -> None:
    (alpha,) = lan.start(peer("alpha", "fixture-alpha", launched=True))
    session = lan.raw_client().dial(alpha)
    window = alpha.window()
    session.advertise({**GAME, "times": GAMES})
    window.wait_event("remote-library-changed", game_count=GAMES)
    alpha.node.request("stop-reading")
    lan.step("fill stdout")
    replies = [alpha.node.send("list-peers") for _ in range(FILLS_STDOUT)]
    alpha.node.request("rests")
    lan.step("news")
    window = alpha.window()
    for number in range(1, NEWS + 1):
        session.advertise({**GAME, "times": GAMES + number})
    session.manifest_code("css")  # it has taken all before it answers
    lan.step("read on")
    alpha.node.request("read-on")
    for reply in replies:
        reply.data()
    newest = window.wait_event("remote-library-changed", game_count=GAMES + NEWS, what="the newest")
    told = window.until(newest).events("remote-library-changed")
    lan.check.between("older ones that are told", len(told), 0, TOLD_AT_MOST)
    lan.evidence(f"{NEWS} libraries came, {len(told)} older ones were told")
