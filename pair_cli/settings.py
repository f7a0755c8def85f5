"""The command lines of `pair-cli relay` and `pair-cli peer`. Each flag is an environment variable
too; the flag wins.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

from headless.settings import FlagParser, path, seconds, switch
from network.address import Address, primary_ip
from network.flags import listen_address, rate

LEAST_CACHE = 8 << 20


class RelaySettings(NamedTuple):
    """How a relay runs. Entries end after `ttl_s` seconds."""

    listen: Address
    ttl_s: float
    max_entries: int
    bridge: bool


class PeerSettings(NamedTuple):
    """How a peer runs. Rates are bytes per second, or None for no limit.

    `listen` is None for all interfaces. `state_dir` keeps the keys too, unless `incognito`.
    `strict_add` and `overwrite` are the defaults of commands that do not say.
    """

    folder: Path
    state_dir: Path
    listen: Address | None
    relay: str | None
    incognito: bool
    heartbeat_s: float
    strict_add: bool
    overwrite: bool
    upload_limit: int | None
    download_limit: int | None
    cache_bytes: int


Settings: TypeAlias = RelaySettings | PeerSettings


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment. Bad values print one line to stderr and raise SystemExit(2)."""
    role = arguments[0] if arguments else ""
    if role not in ("peer", "relay"):
        _refuse(arguments, environment)
    read = _read_peer if role == "peer" else _read_relay
    return read(arguments[1:], environment)


def _refuse(arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    parser = FlagParser("pair-cli", "A pair's peer, or the relay where pairs meet.", environment)
    parser.usage = "pair-cli {peer,relay,schema} ..."
    parser.add_argument("role", choices=["peer", "relay", "schema"], help="what to run")
    parser.read(arguments)
    parser.error("expected 'peer' or 'relay' as the first word")


def relay_parser(environment: Mapping[str, str]) -> FlagParser:
    """Return the parser of `pair-cli relay`."""
    parser = FlagParser(
        "pair-cli", "The relay: pairs meet here, and it learns nothing of them.", environment
    )
    parser.usage = "pair-cli relay [flags]"
    add = parser.flag
    add("--listen", "default: the primary interface's own address, any free port",
        type=listen_address, metavar="ADDR[:PORT]")  # fmt: skip
    add("--ttl", "seconds until a registration ends (default: 600)", "600", type=seconds,
        metavar="SECONDS")  # fmt: skip
    add("--max-entries", "registrations at once (default: 10000)", "10000", type=_number(1, 10**7),
        metavar="N")  # fmt: skip
    add("--bridge", "also join connections of pairs that cannot reach each other (default: off)",
        "off", type=switch, nargs="?", const=True, metavar="on|off")  # fmt: skip
    return parser


def peer_parser(environment: Mapping[str, str]) -> FlagParser:
    """Return the parser of `pair-cli peer`."""
    parser = FlagParser(
        "pair-cli",
        "A peer: shares a folder with one other peer, end to end encrypted.",
        environment,
    )
    parser.usage = "pair-cli peer --folder DIR --state-dir DIR [flags]"
    add = parser.flag
    add("--folder", "the shared folder: files added by a relative path are here, and so is what is "
        "written on the mount", required=True, type=path, metavar="DIR")  # fmt: skip
    add("--state-dir", "keys, journal, resumable pulls", required=True, type=path, metavar="DIR")
    add("--listen", "where the other connects (default: every interface, any free port)",
        type=listen_address, metavar="ADDR[:PORT]")  # fmt: skip
    add("--relay", "URL of the relay, for a `join` that names none", metavar="URL")
    add("--incognito", "keys for this run only (default: off)", "off", type=switch, nargs="?",
        const=True, metavar="on|off")  # fmt: skip
    add("--heartbeat", "seconds between heartbeats; three unanswered end a connection (default: 5)",
        "5", type=seconds, metavar="SECONDS")  # fmt: skip
    add("--strict-add", "refuse to add what is shared already (default: off)", "off", type=switch,
        nargs="?", const=True, metavar="on|off")  # fmt: skip
    add("--overwrite", "let pulls replace existing files (default: off)", "off", type=switch,
        nargs="?", const=True, metavar="on|off")  # fmt: skip
    add("--upload-limit", "e.g. 80MiB a second (default: none)", type=rate, metavar="RATE")
    add("--download-limit", "the same for what is fetched", type=rate, metavar="RATE")
    add("--cache", "bytes of the other's files that a mount keeps (default: 16 MiB)",
        str(16 << 20), type=_number(LEAST_CACHE, 1 << 50), metavar="BYTES")  # fmt: skip
    return parser


def _read_relay(arguments: Sequence[str], environment: Mapping[str, str]) -> RelaySettings:
    given = relay_parser(environment).read(arguments)
    return RelaySettings(
        listen=given.listen or Address(primary_ip(), 0),
        ttl_s=given.ttl,
        max_entries=given.max_entries,
        bridge=given.bridge,
    )


def _read_peer(arguments: Sequence[str], environment: Mapping[str, str]) -> PeerSettings:
    given = peer_parser(environment).read(arguments)
    return PeerSettings(
        folder=given.folder,
        state_dir=given.state_dir,
        listen=given.listen,
        relay=given.relay,
        incognito=given.incognito,
        heartbeat_s=given.heartbeat,
        strict_add=given.strict_add,
        overwrite=given.overwrite,
        upload_limit=given.upload_limit,
        download_limit=given.download_limit,
        cache_bytes=given.cache,
    )


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return value

    return read
