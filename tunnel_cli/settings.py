"""The command line: a configuration file, and a flag for everything in it; the flag wins."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headless.settings import FlagParser, path, switch
from tunnel_cli.config import KEYS, Config, ConfigError, make_config, read_config

# The flag of each key, with its help text.
_FLAGS = {
    "--server": ("weAreServer", "be the server (default: a client)"),
    "--client-id": ("clientId", "a client's number, from 1 on; the lowest is active at first"),
    "--url": ("dataExchange.serverUrl", "where clients find the server, e.g. http://10.0.0.1:8080"),
    "--reopen-after": (
        "standbySocketCloseDurationSecs",
        "seconds that listeners stay closed at a failover (default: 15)",
    ),
    "--tls-bundle": ("dataExchange.tlsBundleFilePath", "own key and certificates, PEM"),
    "--mutual-tls": ("dataExchange.enableMutualTLS", "clients must show a certificate too"),
    "--trusted-ca": (
        "dataExchange.mutualTLSTrustedCACertificateBundleFilePath",
        "certificates of those whom to trust, PEM",
    ),
    "--trusted-peers": (
        "dataExchange.mutualTLSTrustedPeerCertificateBundleFilePath",
        "certificates whose keys peers must have, PEM",
    ),
    "--token": ("token", "shared secret; better in the file or the environment"),
    "--window": ("windowBytes", "bytes that one stream may have under way (default: 128 MiB)"),
    "--memory": ("memoryBytes", "bytes that all streams may have under way (default: 256 MiB)"),
    "--ping": ("pingSecs", "seconds between pings (default: 5)"),
    "--dead-after": ("deadAfterSecs", "seconds of silence that end a link (default: 15)"),
    "--connect-timeout": ("connectTimeoutSecs", "seconds to wait for a target (default: 3)"),
}


def make_parser(environment: Mapping[str, str]) -> FlagParser:
    """Return the parser of the command line; missing flags come from `environment`."""
    parser = FlagParser(
        "tunnel-cli",
        "TCP over WebSocket: a server, and clients of which one is active and the others stand by.",
        environment,
    )
    parser.flag(
        "--config", "a JSON file, or a folder with a config.json", type=path, metavar="FILE"
    )
    for flag, (key, about) in _FLAGS.items():
        kind, _, least = KEYS[key]
        if kind is bool:
            parser.flag(flag, about, type=switch, nargs="?", const=True, metavar="on|off")
        else:
            parser.flag(flag, about, type=_reader(kind, least), metavar=_METAVARS[kind])
    for flag, about in (
        ("--listen", "take connections here for a tunnel; repeatable"),
        ("--connect", "dial this for a tunnel; repeatable"),
    ):
        parser.repeatable(flag, about, type=_tunnel, metavar="TUNNEL=HOST:PORT")
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Read flags, environment and file. Errors print one line to stderr and raise SystemExit(2)."""
    parser = make_parser(environment)
    given = parser.read(arguments)
    overrides: dict[str, Any] = {}
    for flag, (key, _) in _FLAGS.items():
        value = getattr(given, flag.removeprefix("--").replace("-", "_"))
        if value is not None:
            overrides[key] = value
    if given.listen:
        overrides["tcpTunnelListens"] = [
            {"tunnelName": name, "listenBindAddress": host, "listenPort": port}
            for name, host, port in given.listen
        ]
    if given.connect:
        overrides["tcpTunnelConnects"] = [
            {"tunnelName": name, "connectToHost": host, "connectToPort": port}
            for name, host, port in given.connect
        ]
    try:
        if given.config is not None:
            return read_config(given.config, overrides)
        return make_config({}, overrides, Path("command line"))
    except ConfigError as error:
        parser.error(str(error))


def _reader(kind: type, least: float | None) -> Callable[[str], Any]:
    if kind is str:
        return str

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if least is not None and not least <= value < 2**53:
            raise argparse.ArgumentTypeError(f"{text} is less than {least:g}")
        return value

    return read


_METAVARS = {str: "TEXT", int: "N", float: "SECONDS"}


def _tunnel(text: str) -> tuple[str, str, int]:
    name, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not name or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not TUNNEL=HOST:PORT, e.g. web=127.0.0.1:80")
    return name, host, int(port)
