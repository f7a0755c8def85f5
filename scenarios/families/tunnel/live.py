"""A live server and live clients, at the keyboard."""

import re

from scenarios.core.backends.base import Argument, NodeSpec, Program
from scenarios.families.tunnel.programs import TUNNEL_PROGRAM
from scenarios.family.live import LiveNode, LivePlace, Prepared

SERVER = "tunnel-server"  # the name under which clients find one
TARGET = "127.0.0.1:9000"
PORT = 8000  # of the server's listener; a client adds its number


def prepare_server(place: LivePlace, program: Program) -> Prepared:
    """Prepare a server that listens for one tunnel and connects to the target of another."""
    arguments = ("--server", "--url", f"http://{place.listen}", *_tunnels(place, "to-client", PORT))
    return Prepared(
        NodeSpec(place.name, program, arguments),
        f"What comes to its listener reaches {TARGET} at the active client. {_target()}",
    )


def prepare_client(place: LivePlace, program: Program) -> Prepared:
    """Prepare the client whose number ends its name, 1 without any."""
    number = re.search(r"[1-9][0-9]?$", place.name)
    client_id = number.group() if number else "1"
    server = place.neighbours.get(SERVER)
    arguments = (
        *("--client-id", client_id),
        *("--url", f"http://{server or '127.0.0.1:1'}"),
        *_tunnels(place, "to-server", PORT + int(client_id)),
    )
    where = (
        f"Its server is {server}."
        if server
        else f"No live node is called {SERVER}: start one, and then this anew."
    )
    return Prepared(
        NodeSpec(place.name, program, arguments),
        f"It is client {client_id}. {where} What comes to its listener reaches {TARGET} at the "
        f"server. {_target()}",
    )


def _tunnels(place: LivePlace, listens: str, port: int) -> tuple[Argument, ...]:
    other = "to-server" if listens == "to-client" else "to-client"
    host = place.listen.rpartition(":")[0]
    ends = ("--listen", f"{listens}={host}:{port}", "--connect", f"{other}={TARGET}")
    return ("--reopen-after", "3", *ends)


def _target() -> str:
    return "Start something there, such as python3 -m http.server 9000."


LIVE_SERVER = LiveNode(
    program=TUNNEL_PROGRAM.name,
    prepare=prepare_server,
    about=f"The server of a tunnel; call it {SERVER}.",
    examples="status     activate 2     list-streams",
    nicknames={"streams": "list-streams"},
    row_names=("client_id", "tunnel", "stream"),
    minor=frozenset(["stream-opened", "stream-closed"]),
)
LIVE_CLIENT = LiveNode(
    program=TUNNEL_PROGRAM.name,
    prepare=prepare_client,
    about="A client of the live server; the number at the end of its name is its client id.",
    examples="status     drain     list-streams",
    nicknames={"streams": "list-streams"},
    row_names=("client_id", "tunnel", "stream"),
    minor=frozenset(["stream-opened", "stream-closed"]),
)
