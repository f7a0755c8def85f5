"""Clients that are not ours, honest and hostile: T71, T73."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import shutil
from pathlib import Path
from typing import Any

import websockets

from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.families.tunnel.specs import link_node
from scenarios.families.tunnel.tunnel import FROM_CLIENT, FROM_SERVER, Tunnel

KB = 1000
TOKEN = "a secret of both"  # noqa: S105 - of this scenario
# From docs/tunnel-protocol.md and RFC 6455.
OPEN, OPENED, DATA, FIN, END = 16, 17, 18, 19, 20
TEXT, BINARY = 1, 2
FOUR_GIB = (1 << 32) - 1


@scenario(
    "T73", name="Foreign clients",
    proves="a client written from the protocol's page alone, and one on the package `websockets`: "
    "proof, fragments, pings, streams both ways, half-close, close",
)  # fmt: skip
def foreign_clients(tunnel: Tunnel) -> None:
    tunnel.start(clients=0, flags=("--token", TOKEN))
    library = tunnel.trial.folder / "library"
    shutil.copytree(Path(websockets.__file__).parent, library / "websockets")
    for client_id, spec in enumerate((link_node(), link_node(library)), 1):
        [foreign] = tunnel.trial.start(spec)
        speaks(tunnel, foreign, client_id)


def speaks(tunnel: Tunnel, foreign: Node, client_id: int) -> None:
    """Check that a client of another kind and our server understand each other."""
    who, at_server = foreign.name, tunnel.server.window()
    said = foreign.request("link", addr=tunnel.server_addr, client_id=client_id, token=TOKEN)
    tunnel.check.equal(f"{who}: the server's proof is right", said["right"], True)
    link, told = said["link"], foreign.everything()
    foreign.request("ping", link=link, text="anybody there?")
    told.wait_event("pong", text="anybody there?")
    text = "".join(chr(32 + number % 95) for number in range(KB))
    foreign.request("frame", link=link, kind=OPEN, stream=1, text=FROM_CLIENT[0], pieces=3)
    foreign.request("frame", link=link, kind=DATA, stream=1, text=text, pieces=7)
    # A node that resets the stream may do so before its target has answered.
    told.wait_event("frame", stream=1, where=lambda one: one.data["kind"] in (OPENED, END))
    foreign.request("frame", link=link, kind=FIN, stream=1)
    end = told.wait_event("frame", stream=1, where=lambda one: one.data["kind"] in (FIN, END))
    came = told.until(end).events("frame", kind=DATA, stream=1)
    tunnel.check.equal(
        f"{who}: what the echo sent", "".join(one.data["text"] for one in came), text
    )
    tunnel.check.equal(f"{who}: how the echo ended", end.data["kind"], FIN)
    dialled = tunnel.dial(tunnel.addr(tunnel.server, FROM_SERVER[0], at_server))
    asked = told.wait_event("frame", kind=OPEN, text=FROM_SERVER[0]).data["stream"]
    foreign.request("frame", link=link, kind=OPENED, stream=asked)
    foreign.request("frame", link=link, kind=DATA, stream=asked, text="hello")
    foreign.request("frame", link=link, kind=FIN, stream=asked)
    got = dialled.read()
    tunnel.check.equal(f"{who}: what the dialler read", (got["count"], got["ended"]), (5, "eof"))
    foreign.request("close", link=link, code=1000, reason="that is all")
    offline = at_server.wait_event("client-offline", client_id=client_id)
    tunnel.check.equal(f"{who}: why it went", offline.data["reason"], "that is all")
    at_server.wait_event("listener-closed", tunnel=FROM_SERVER[0])


@scenario(
    "T71", name="Hostile links",
    proves="garbage, frames of 4 GiB, foreign streams, 100,000 opens: that link ends with a "
    "reason, others go on",
)  # fmt: skip
def hostile_links(tunnel: Tunnel) -> None:
    tunnel.start(1)
    [hostile] = tunnel.trial.start(link_node())
    header = f"{chr(DATA)}\0\0\0\1{chr(255) * 4}"

    def stranger(command: str, **arguments: Any) -> int:
        link = int(hostile.request("connect", addr=tunnel.server_addr)["link"])
        hostile.request(command, link=link, **arguments)
        return link

    def taken(client_id: int, command: str, **arguments: Any) -> None:
        said = hostile.request("link", addr=tunnel.server_addr, client_id=client_id)
        hostile.request(command, link=said["link"], **arguments)

    ended(tunnel, hostile, stranger("websocket", opcode=TEXT, text="{}"), "a message is not binary")
    ended(tunnel, hostile, stranger("frame", kind=99, stream=0), "there is no kind 99 of frame")
    ended(
        tunnel, hostile, stranger("websocket", opcode=BINARY, text=header),
        f"a frame of {FOUR_GIB} bytes is longer than its message",
    )  # fmt: skip
    ended(
        tunnel, hostile, stranger("frame", kind=OPEN, stream=1, text=FROM_CLIENT[0]),
        "a stream's frame came before the handshake",
    )  # fmt: skip
    # A WebSocket frame that says it has 4 GiB.
    giant = stranger("raw", hex="82ff000000010000000000000000")
    hostile.everything().wait_event("closed", link=giant)
    taken(2, "frame", kind=DATA, stream=999, text="x")
    offline(tunnel, 2, "there is no stream 999")
    taken(3, "opens", tunnel="none", count=100_000)
    offline(tunnel, 3, "more than 4096 streams are open")
    tunnel.echoes("through client 1", tunnel.addr(tunnel.clients[1], FROM_CLIENT[0]), KB)


def ended(tunnel: Tunnel, hostile: Node, link: int, reason: str) -> None:
    """Check that a link was ended, and that its other side was told why."""
    closed = hostile.everything().wait_event("closed", link=link)
    told = (closed.data["code"], closed.data["reason"])
    tunnel.check.equal(f"end of a link: {reason}", told, (1002, reason))


def offline(tunnel: Tunnel, client_id: int, reason: str) -> None:
    """Check that a client's link was ended, and why.

    The server is asked: with much under way the last that it sends need not arrive.
    """
    gone = tunnel.server.everything().wait_event("client-offline", client_id=client_id)
    tunnel.check.equal(f"end of a link: {reason}", gone.data["reason"], reason)
