"""The flags of CONTRACT section 2, each also an environment variable; the flag wins."""

import argparse
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from peer_cli.limits import parse_rate
from peer_cli.names import UnsafeName, check_game_id
from peer_cli.network.address import Address, parse_address, primary_ip


class Settings(NamedTuple):
    """How this peer runs. Rates are bytes per second, None for no limit."""

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


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and exits with 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"peer-cli: {message}\n")


_EPILOG = """\
Each flag is also an environment variable: PEER_CLI_ and its name in upper case with underscores,
e.g. PEER_CLI_GAMES_DIR; the flag wins. PEER_CLI_FIXTURE takes several ids separated by commas.

The peer reads one JSON command per line, e.g. {"cmd":"connect","addr":"127.0.0.2:4000"}, and
writes one JSON line per reply and event. `peer-cli schema` prints the JSON Schema of them all.
It exits with 0 after `shutdown`, the end of its input, or SIGTERM, and with 2 when it cannot start.
"""


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def _name(text: str) -> str:
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise argparse.ArgumentTypeError("expected 1 to 200 printable characters")
    return text


def _listen(text: str) -> Address:
    try:
        return parse_address(text, default_port=0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rate(text: str) -> int:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds


def _game_id(text: str) -> str:
    try:
        return check_game_id(text)
    except UnsafeName as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _unpacker(text: str) -> str:
    if text not in ("archive", "fixture"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'archive' nor 'fixture'")
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true", "no", "yes", "off", "on"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'on' nor 'off'")
    return text.lower() in ("1", "true", "yes", "on")


def make_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser of the command line; flags that are not given come from `environment`."""
    parser = _Parser(
        prog="peer-cli",
        description="A headless LAN peer: JSON commands on stdin, JSON lines on stdout.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    def add(flag: str, help_text: str, default: str | None = None, **more: Any) -> None:
        # argparse reads a default that is text by the rules of the flag itself.
        variable = "PEER_CLI_" + flag.removeprefix("--").replace("-", "_").upper()
        parser.add_argument(
            flag, help=help_text, default=environment.get(variable, default), **more
        )

    add("--name", "human name, shown to others (default: the host's name)", socket.gethostname(),
        type=_name)  # fmt: skip
    add("--games-dir", "one folder per game", type=_path, metavar="DIR")
    add("--state-dir", "identity, content index, journals", type=_path, metavar="DIR")
    add("--catalog-db", "SQLite catalog of games and versions", type=_path, metavar="FILE")
    add("--listen", "default: the primary interface's own address, any free port", type=_listen,
        metavar="ADDR[:PORT]")  # fmt: skip
    parser.add_argument("--fixture", help="seed a tiny game before the first scan; repeatable",
        type=_game_id, action="append", metavar="GAME_ID")  # fmt: skip
    add("--unrar", "read archives with this external unrar", metavar="FILE")
    add("--unpacker", "archive (default), or fixture: copy the archives' bytes to "
        "local/fixture-payload.txt", "archive", type=_unpacker, metavar="KIND")  # fmt: skip
    add("--upload-limit", "e.g. 80MiB a second (default: none)", type=_rate, metavar="RATE")
    add("--download-limit", "the same for downloads", type=_rate, metavar="RATE")
    add("--stall-timeout", "give up on a source that delivers nothing for so long (default: 5)",
        "5", type=_seconds, metavar="SECONDS")  # fmt: skip
    add("--swarm-key", "shared secret; peers without it are refused", type=_path, metavar="FILE")
    add("--mdns", "announce and discover peers by mDNS (default: off)", "off", type=_switch,
        nargs="?", const=True, metavar="on|off")  # fmt: skip
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment. Bad ones are one line on stderr and SystemExit(2)."""
    parser = make_parser(environment)
    settings = parser.parse_args(arguments)
    fixtures = settings.fixture or environment.get("PEER_CLI_FIXTURE", "").replace(",", " ").split()
    try:
        for game_id in fixtures:
            check_game_id(game_id)
    except UnsafeName as error:
        parser.error(f"PEER_CLI_FIXTURE: {error}")
    for name in ("games_dir", "state_dir", "catalog_db"):
        if getattr(settings, name) is None:
            flag = "--" + name.replace("_", "-")
            parser.error(f"{flag} is missing (or PEER_CLI_{name.upper()} in the environment)")
    return Settings(
        name=settings.name,
        games_dir=settings.games_dir,
        state_dir=settings.state_dir,
        catalog_db=settings.catalog_db,
        listen=settings.listen or Address(primary_ip(), 0),
        fixtures=tuple(fixtures),
        unrar=settings.unrar,
        unpacker=settings.unpacker,
        upload_limit=settings.upload_limit,
        download_limit=settings.download_limit,
        stall_timeout_s=settings.stall_timeout,
        swarm_key_file=settings.swarm_key,
        mdns=settings.mdns,
    )
