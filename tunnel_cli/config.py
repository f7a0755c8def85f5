"""The configuration: the format of the public tcp-over-websocket project, with more keys.

Each error is one line that names file, key and value.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SECURE = ("https", "wss")


class ConfigError(Exception):
    """The configuration is unusable; the message names file, key and reason in one line."""


class Listen(NamedTuple):
    """A tunnel that this node accepts connections for. Port 0 means any free port."""

    tunnel: str
    host: str
    port: int


class Target(NamedTuple):
    """A tunnel for which this node connects to a target."""

    tunnel: str
    host: str
    port: int


class Tls(NamedTuple):
    """PEM files: own key and certificates, trusted certificates, pinned keys of peers."""

    own: Path | None
    trusted_ca: Path | None
    pinned: Path | None


class Config(NamedTuple):
    """A node's configuration. Times are in seconds, sizes in bytes."""

    is_server: bool
    client_id: int | None
    url: str
    reopen_after_s: float
    listens: tuple[Listen, ...]
    targets: tuple[Target, ...]
    mutual_tls: bool
    tls: Tls
    token: str
    window_bytes: int
    memory_bytes: int
    ping_s: float
    dead_after_s: float
    connect_timeout_s: float

    @property
    def secure(self) -> bool:
        """Whether links are encrypted."""
        return urlsplit(self.url).scheme in SECURE

    @property
    def host(self) -> str:
        """The host of the server's URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the server's URL; 0 means any free port."""
        port = urlsplit(self.url).port
        return port if port is not None else 443 if self.secure else 80


# For each key: its type, its default (... if it is required), and its minimum.
KEYS: Mapping[str, tuple[type, Any, float | None]] = {
    "weAreServer": (bool, False, None),
    "clientId": (int, None, 1),
    "standbySocketCloseDurationSecs": (float, 15.0, 0),
    "dataExchange.serverUrl": (str, ..., None),
    "dataExchange.enableMutualTLS": (bool, False, None),
    "dataExchange.tlsBundleFilePath": (str, None, None),
    "dataExchange.mutualTLSTrustedCACertificateBundleFilePath": (str, None, None),
    "dataExchange.mutualTLSTrustedPeerCertificateBundleFilePath": (str, None, None),
    "tcpTunnelListens": (list, [], None),
    "tcpTunnelConnects": (list, [], None),
    "token": (str, "", None),
    "windowBytes": (int, 128 << 20, 64 << 10),
    "memoryBytes": (int, 256 << 20, 1 << 20),
    "pingSecs": (float, 5.0, 0.05),
    "deadAfterSecs": (float, 15.0, 0.1),
    "connectTimeoutSecs": (float, 3.0, 0.05),
}
_LISTEN = {"tunnelName": str, "listenPort": int, "listenBindAddress": str}
_CONNECT = {"tunnelName": str, "connectToHost": str, "connectToPort": int}


def read_config(path: Path, overrides: Mapping[str, Any]) -> Config:
    """Read a file, or `config.json` of a folder; values of `overrides` win.

    Raises ConfigError.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is no JSON: {error}") from error
    return make_config(flattened(file, document), overrides, file)


def flattened(file: Path, document: Any) -> dict[str, Any]:
    """Return the values of a document by dotted key. Raises ConfigError for unknown keys."""
    if not isinstance(document, dict):
        raise ConfigError(f"{file} holds no JSON object")
    found: dict[str, Any] = {}
    for key, value in document.items():
        if key == "logging":  # of the original project; this program logs events
            continue
        if key == "dataExchange" and isinstance(value, dict):
            found.update({f"{key}.{name}": inner for name, inner in value.items()})
        else:
            found[key] = value
    for key, value in found.items():
        if key not in KEYS:
            raise ConfigError(f"{file}: there is no key {key} (its value is {_short(value)})")
    return found


def make_config(found: Mapping[str, Any], overrides: Mapping[str, Any], file: Path) -> Config:
    """Check all values and return the configuration. Raises ConfigError."""
    values = {key: overrides[key] if key in overrides else _value(file, key, found) for key in KEYS}
    is_server = values["weAreServer"]
    if not is_server and values["clientId"] is None:
        raise ConfigError(f"{file}: clientId is missing; a client needs one, such as 1")
    listens = tuple(
        Listen(row["tunnelName"], row["listenBindAddress"], row["listenPort"])
        for row in _rows(file, "tcpTunnelListens", values, _LISTEN)
    )
    targets = tuple(
        Target(row["tunnelName"], row["connectToHost"], row["connectToPort"])
        for row in _rows(file, "tcpTunnelConnects", values, _CONNECT)
    )
    names = [*(one.tunnel for one in listens), *(one.tunnel for one in targets)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{file}: the tunnel name {name} is used {names.count(name)} times")
    exchange = "dataExchange."
    url = _url(file, values[f"{exchange}serverUrl"])
    # Without https no bundle is read: a file of the original names some that are not there.
    is_secure = urlsplit(url).scheme in SECURE
    tls = Tls(
        *(
            _file(file, key, values) if is_secure else None
            for key in (
                f"{exchange}tlsBundleFilePath",
                f"{exchange}mutualTLSTrustedCACertificateBundleFilePath",
                f"{exchange}mutualTLSTrustedPeerCertificateBundleFilePath",
            )
        )
    )
    made = Config(
        is_server=is_server,
        client_id=None if is_server else values["clientId"],
        url=url,
        reopen_after_s=values["standbySocketCloseDurationSecs"],
        listens=listens,
        targets=targets,
        mutual_tls=values[f"{exchange}enableMutualTLS"],
        tls=tls,
        token=values["token"],
        window_bytes=values["windowBytes"],
        memory_bytes=values["memoryBytes"],
        ping_s=values["pingSecs"],
        dead_after_s=values["deadAfterSecs"],
        connect_timeout_s=values["connectTimeoutSecs"],
    )
    _check_tls(file, made)
    return made


def _check_tls(file: Path, config: Config) -> None:
    key = "dataExchange.tlsBundleFilePath"
    if config.secure and config.is_server and config.tls.own is None:
        raise ConfigError(f"{file}: {key} is missing; a server with https needs its certificate")
    if not config.mutual_tls:
        return
    if not config.secure:
        raise ConfigError(
            f"{file}: dataExchange.enableMutualTLS needs an https URL, not {config.url}"
        )
    if config.tls.own is None:
        raise ConfigError(f"{file}: {key} is missing; mutual TLS needs it")
    if config.tls.trusted_ca is None and config.tls.pinned is None:
        raise ConfigError(
            f"{file}: dataExchange.mutualTLSTrustedPeerCertificateBundleFilePath is missing; "
            "mutual TLS needs it, or the CA's"
        )


def _value(file: Path, key: str, found: Mapping[str, Any]) -> Any:
    kind, default, least = KEYS[key]
    value = found.get(key)
    if value is None:
        if default is ...:
            raise ConfigError(f"{file}: {key} is missing")
        return default
    return _checked(file, key, value, kind, least)


def _checked(file: Path, key: str, value: Any, kind: type, least: float | None) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{file}: {key} is {_short(value)}, which is no {_NAMES[kind]}")
    if least is not None and isinstance(value, int | float) and not least <= value < 2**53:
        raise ConfigError(f"{file}: {key} is {_short(value)}; at least {least:g} is expected")
    return value


_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text", list: "list"}


def _rows(
    file: Path, key: str, values: Mapping[str, Any], kinds: Mapping[str, type]
) -> list[dict[str, Any]]:
    rows = []
    for number, row in enumerate(values[key]):
        place = f"{key}[{number}]"
        if not isinstance(row, dict):
            raise ConfigError(f"{file}: {place} is {_short(row)}, which is no object")
        for name in row:
            if name not in kinds:
                raise ConfigError(
                    f"{file}: there is no key {place}.{name} (its value is {_short(row[name])})"
                )
        given: dict[str, Any] = {"listenBindAddress": "127.0.0.1", **row}
        for name, kind in kinds.items():
            if name not in given:
                raise ConfigError(f"{file}: {place}.{name} is missing")
            value = _checked(file, f"{place}.{name}", given[name], kind, None)
            lowest = 1 if name == "connectToPort" else 0
            if isinstance(value, int) and not lowest <= value <= 65535:
                raise ConfigError(
                    f"{file}: {place}.{name} is {value}, which is not from {lowest} to 65535"
                )
        if not given["tunnelName"]:
            raise ConfigError(f"{file}: {place}.tunnelName is empty")
        rows.append(given)
    return rows


def _url(file: Path, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname)
        usable = usable and (parts.port is None or parts.port >= 0)  # reading the port validates it
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"{file}: dataExchange.serverUrl is {_short(url)}; expected such as "
            "http://127.0.0.1:8080"
        )
    return url


def _file(file: Path, key: str, values: Mapping[str, Any]) -> Path | None:
    if not values[key]:
        return None
    named = Path(values[key]).expanduser()
    if not named.is_file():
        raise ConfigError(f"{file}: {key} is {_short(values[key])}, and there is no such file")
    return named


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else f"{text[:99]}…"
