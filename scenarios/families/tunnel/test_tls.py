"""Mutual TLS: T69."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from dataclasses import replace

from scenarios.core.backends.base import Argument, Mount, OwnAddress, Placed
from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.families.tunnel.certificates import made, written
from scenarios.families.tunnel.specs import SERVER_URL, client_node, server_node
from scenarios.families.tunnel.tunnel import FROM_CLIENT, Tunnel

ENDED = "ended the connection before it answered"
# Why each is refused: what its `link-lost` says.
REFUSED = {
    "foreign": ENDED,
    "unpinned": "the client's key is not one of those that are trusted",
    "expired": ENDED,
    "plain": ENDED,
    "trusts-another": "CERTIFICATE_VERIFY_FAILED",
    "pins-another": "the server's key is not one of those that are trusted",
    "of-stale": "expired",
}


@scenario(
    "T69", name="Mutual TLS",
    proves="the right peer is taken; another authority, a key that is not pinned, an expired "
    "certificate, plain http: refused with a reason, by the server and by the client",
)  # fmt: skip
def mutual_tls(tunnel: Tunnel) -> None:
    authority, stranger = made("authority"), made("stranger")
    server, right, foreign = (
        made("server", authority),
        made("right", authority),
        made("f", stranger),
    )
    unpinned, expired = made("unpinned", authority), made("expired", authority, expired=True)
    files = written(
        tunnel.trial.folder / "certificates",
        authority=authority.public(), stranger=stranger.public(), server=server.bundle(),
        right=right.bundle(), unpinned=unpinned.bundle(), expired=expired.bundle(),
        foreign=foreign.bundle(), servers=server.public() + expired.public(),
        clients=right.public() + expired.public() + foreign.public(), other=unpinned.public(),
    )  # fmt: skip

    def flags(own: str, ca: str, pinned: str) -> tuple[Argument, ...]:
        return (
            *("--tls-bundle", Placed(Mount(files[own]))),
            *("--trusted-ca", Placed(Mount(files[ca]))),
            *("--trusted-peers", Placed(Mount(files[pinned]))),
        )

    def served(name: str, own: str) -> tuple[Node, str]:
        own_flags = ("--mutual-tls", "on", *flags(own, "authority", "clients"))
        spec = server_node(tunnel.program, (), {}, own_flags)
        https = OwnAddress(prefix="https://", suffix=":0")
        arguments = tuple(https if part == SERVER_URL else part for part in spec.arguments)
        [node] = tunnel.trial.start(replace(spec, name=name, arguments=arguments))
        return node, str(node.everything().wait_event("tunnel-ready").data["addr"])

    (node, addr), (_, stale) = served("server", "server"), served("stale", "expired")
    good = flags("right", "authority", "servers")
    clients = {
        "right": (f"https://{addr}", good),
        "foreign": (f"https://{addr}", flags("foreign", "authority", "servers")),
        "unpinned": (f"https://{addr}", flags("unpinned", "authority", "servers")),
        "expired": (f"https://{addr}", flags("expired", "authority", "servers")),
        "plain": (f"http://{addr}", ()),
        "trusts-another": (f"https://{addr}", flags("right", "stranger", "servers")),
        "pins-another": (f"https://{addr}", flags("right", "authority", "other")),
        "of-stale": (f"https://{stale}", good),
    }
    nodes = {}
    for number, (name, (url, own)) in enumerate(clients.items(), 1):
        client = client_node(tunnel.program, number, addr, FROM_CLIENT, {}, own)
        arguments = tuple(url if part == f"http://{addr}" else part for part in client.arguments)
        [nodes[name]] = tunnel.trial.start(replace(client, name=name, arguments=arguments))
    said = {
        name: one.everything().wait_event("link-lost", "link-restored")
        for name, one in nodes.items()
    }
    for name, reason in REFUSED.items():
        tunnel.check.contains(f"why {name} is refused", str(said[name].data), reason)
    tunnel.check.equal("what became of the right one", said["right"].name, "link-restored")
    tunnel.caught_up(node)
    online = [one.data["client_id"] for one in node.everything().events("client-online")]
    tunnel.check.equal("who was online", online, [1])
