"""The command-line flags. Each is also an environment variable; the flag wins."""

import argparse
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from headless.settings import FlagParser, human_name, path, seconds, switch
from network.address import Address, primary_ip
from network.flags import listen_address, rate
from peer_cli.names import check_game_id
from store.names import UnsafeName


class Settings(NamedTuple):
    """How this peer runs. Rates are bytes per second, or None for no limit."""

    name: str
    games_dir: Path
    state_dir: Path
    catalog_db: Path
    listen: Address
    fixtures: tuple[str, ...]
    unrar: str | None
    unpacker: Literal["archive", "fixture"]
    upload_limit: int | None
    download_limit: int | None
    stall_timeout_s: float
    swarm_key_file: Path | None
    mdns: bool
    encrypt_data: bool
    read_only: bool


def _game_id(text: str) -> str:
    try:
        return check_game_id(text)
    except UnsafeName as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _unpacker(text: str) -> str:
    if text not in ("archive", "fixture"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'archive' nor 'fixture'")
    return text


def make_parser(environment: Mapping[str, str]) -> FlagParser:
    """Return the parser of the command line; flags that are not given come from `environment`."""
    parser = FlagParser(
        "peer-cli",
        "A headless LAN peer: JSON commands on stdin, JSON lines on stdout.",
        environment,
    )
    add = parser.flag
    add("--name", "human name, shown to others (default: the host's name)", socket.gethostname(),
        type=human_name)  # fmt: skip
    add("--games-dir", "one folder per game", required=True, type=path, metavar="DIR")
    add("--state-dir", "identity, content index, journals", required=True, type=path,
        metavar="DIR")  # fmt: skip
    add("--catalog-db", "SQLite catalog of games and versions", required=True, type=path,
        metavar="FILE")  # fmt: skip
    add("--listen", "default: the primary interface's own address, any free port",
        type=listen_address, metavar="ADDR[:PORT]")  # fmt: skip
    parser.repeatable("--fixture", "seed a tiny game before the first scan; repeatable",
        type=_game_id, metavar="GAME_ID")  # fmt: skip
    add("--unrar", "read archives with this external unrar", metavar="FILE")
    add("--unpacker", "archive (default), or fixture: copy the archives' bytes to "
        "local/fixture-payload.txt", "archive", type=_unpacker, metavar="KIND")  # fmt: skip
    add("--upload-limit", "e.g. 80MiB a second (default: none)", type=rate, metavar="RATE")
    add("--download-limit", "the same for downloads", type=rate, metavar="RATE")
    add("--stall-timeout", "give up on a source that delivers nothing for this long (default: 5)",
        "5", type=seconds, metavar="SECONDS")  # fmt: skip
    add("--swarm-key", "shared secret; peers without it are refused", type=path, metavar="FILE")
    add("--encrypt-data", "encrypt bulk bytes too; they are authenticated in any case (default: "
        "off)", "off", type=switch, nargs="?", const=True, metavar="on|off")  # fmt: skip
    add("--mdns", "announce and discover peers by mDNS (default: off)", "off", type=switch,
        nargs="?", const=True, metavar="on|off")  # fmt: skip
    add("--read-only", "share the games without changing their folder, which other peers may "
        "share too (default: off)", "off", type=switch, nargs="?", const=True,
        metavar="on|off")  # fmt: skip
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment. Bad values print one line to stderr and raise SystemExit(2)."""
    parser = make_parser(environment)
    settings = parser.read(arguments)
    if settings.read_only and settings.fixture:
        parser.error("--fixture writes a game; it cannot be combined with --read-only")
    return Settings(
        name=settings.name,
        games_dir=settings.games_dir,
        state_dir=settings.state_dir,
        catalog_db=settings.catalog_db,
        listen=settings.listen or Address(primary_ip(), 0),
        fixtures=tuple(settings.fixture),
        unrar=settings.unrar,
        unpacker=settings.unpacker,
        upload_limit=settings.upload_limit,
        download_limit=settings.download_limit,
        stall_timeout_s=settings.stall_timeout,
        swarm_key_file=settings.swarm_key,
        mdns=settings.mdns,
        encrypt_data=settings.encrypt_data,
        read_only=settings.read_only,
    )
