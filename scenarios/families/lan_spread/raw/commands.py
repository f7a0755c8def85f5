"""The commands of the raw client, which sends what no honest peer would send.

A separate program, which command_loop.py runs with its own IP address as a node beside the peers.
It imports nothing from this project: it is a second, independent implementation of the protocol,
and needs only Python, msgspec, blake3 and cryptography.

| command | arguments | data of the result |
|---|---|---|
| `dial` | `addr`, `public_key`, `swarm_key` (hex), `fresh`, `name` | `session`, `peer_id`, \
`public_key` |
| `knock` | `addr`, `swarm_key` | `told`: the types of the messages up to the session; `code` |
| `advertise` | `session`, `games` (each with its fields and `times`) | |
| `library` | `session` | `games`: what was advertised last |
| `get-manifest` | `session`, `game_id` | `version`, `files` |
| `open-transfer` | `session`, `game_id`, `version`, `ranges` | `ticket` (hex) |
| `redeem` | `addr`, `ticket` (hex) | `received` bytes, their `sha256` (hex) |
| `open-stream` | `session`, `game_id`, `version` | `ticket` and `key` (hex) |
| `redeem-stream` | `addr`, `ticket`, `key` (hex) | `received` bytes of payload, all of them \
authentic, and how they `begin` (hex) |
| `hold` | `addr`, `tickets` (hex) | |
| `press` | `session`, `kind`, `asked`: a list of requests, `times` | |
| `pressed` | `session`, `count` | `answers` so far, at least `count`: [place of the request, \
seconds since `press`] |
| `stop-reading` | `session` | |
| `offer` | `game_id`, `version`, `files` (path to content in hex), `entries` [name, content], \
`endless`, `hashes`, `news`, `rows` | |
| `asked` | `game_id` | once a peer has asked for that |

`hold` redeems the tickets and reads one byte per second from each. `press` sends requests of
one kind at once, without waiting for answers. A peer that requests an offered game gets
`files` under these names, or `entries` as its stream; with `endless` (a kind of stream.ENDLESS) a
stream that makes no progress and never ends. `hashes` maps requests (`get-digest`, `get-manifest`)
to [step, total]: they get only messages that the files are being hashed, `step` bytes more each
time. Before it sends its digest it sends `news`, [done, total] each, every half second. With
`rows` it answers everything with a manifest of so many files.

A denial by the peer becomes an error reply with the peer's code; `other-protocol` is the code if
the other side answers, but not with a hello. When the client presents another peer's public key, it
signs with its own private key, since it has no other.
"""

from typing import ClassVar

from .client import Client
from .frames import Refused


class Program(Client):
    """The client as command_loop.py runs it."""

    REFUSALS: ClassVar = {Refused: ""}

    def __init__(self, _emit: object, own_ip: str) -> None:
        super().__init__(own_ip)
