import json
from pathlib import Path
from typing import Any

import pytest

from tunnel_cli.config import ConfigError, read_config
from tunnel_cli.settings import read_settings

# With every key that the public project's own files have: bundles that are not there among them.
ORIGINAL: dict[str, Any] = {
    "logging": {
        "daysToKeep": 28,
        "level": "DEBUG",
        "logToStdout": True,
        "syslog": {"logToSysloyHost": None},
    },
    "weAreServer": False,
    "clientId": 2,
    "standbySocketCloseDurationSecs": 15,
    "dataExchange": {
        "serverUrl": "http://server:8080",
        "enableMutualTLS": False,
        "tlsBundleFilePath": "/no/such/own.pem",
        "mutualTLSTrustedCACertificateBundleFilePath": "/no/such/authority.pem",
        "mutualTLSTrustedPeerCertificateBundleFilePath": "/no/such/peers.pem",
    },
    "tcpTunnelListens": [{"tunnelName": "c2s", "listenPort": 7001, "listenBindAddress": "0.0.0.0"}],
    "tcpTunnelConnects": [{"tunnelName": "s2c", "connectToHost": "localhost", "connectToPort": 22}],
}


def written(folder: Path, **changes: Any) -> Path:
    document = {**ORIGINAL, **changes}
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def test_the_original_s_configuration_is_read_as_it_is(tmp_path: Path) -> None:
    config = read_config(written(tmp_path), {})
    assert (config.is_server, config.client_id, config.url) == (False, 2, "http://server:8080")
    assert config.reopen_after_s == 15.0
    assert config.listens == (("c2s", "0.0.0.0", 7001),)
    assert config.targets == (("s2c", "localhost", 22),)
    assert (config.window_bytes, config.memory_bytes) == (128 << 20, 256 << 20)
    assert config.tls == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"wurst": 1}, "no key wurst (its value is 1)"),
        ({"dataExchange": {"serverURL": "x"}}, 'no key dataExchange.serverURL (its value is "x")'),
        ({"clientId": None}, "clientId is missing"),
        ({"clientId": 0}, "clientId is 0; at least 1"),
        ({"clientId": True}, "clientId is true, which is no whole number"),
        ({"dataExchange": {"serverUrl": "ftp://x"}}, 'serverUrl is "ftp://x"'),
        ({"dataExchange": {"serverUrl": "http://x:99999"}}, "serverUrl is"),
        ({"tcpTunnelListens": [{"tunnelName": "a", "listenPort": 65536}]}, "listenPort is 65536"),
        ({"tcpTunnelListens": [{"tunnelName": "", "listenPort": 1}]}, "tunnelName is empty"),
        ({"tcpTunnelListens": [{"listenPort": 1}]}, "tcpTunnelListens[0].tunnelName is missing"),
        ({"tcpTunnelListens": [3]}, "tcpTunnelListens[0] is 3"),
        (
            {"tcpTunnelListens": [{"tunnelName": "s2c", "listenPort": 1}]},
            "the tunnel name s2c is used 2 times",
        ),
        (
            {"tcpTunnelConnects": [{"tunnelName": "a", "connectToHost": "x", "connectToPort": 0}]},
            "connectToPort is 0",
        ),
        (
            {"dataExchange": {"serverUrl": "https://x", "tlsBundleFilePath": "/no/such"}},
            'tlsBundleFilePath is "/no/such"',
        ),
        (
            {"dataExchange": {"serverUrl": "http://x", "enableMutualTLS": True}},
            "needs an https URL",
        ),
        (
            {"weAreServer": True, "dataExchange": {"serverUrl": "https://x"}},
            "tlsBundleFilePath is missing",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_file_key_and_value(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read_config(written(tmp_path, **changes), {})
    assert complaint in str(error.value)
    assert str(tmp_path / "config.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_no_json_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.json", {})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="is no JSON"):
        read_config(tmp_path, {})


def test_flags_win_over_environment_and_file(tmp_path: Path) -> None:
    folder = written(tmp_path)
    environment = {
        "TUNNEL_CLI_CLIENT_ID": "7",
        "TUNNEL_CLI_REOPEN_AFTER": "3",
        "TUNNEL_CLI_URL": "",
    }
    config = read_settings(["--config", str(folder), "--client-id", "9"], environment)
    assert (config.client_id, config.reopen_after_s, config.url) == (9, 3.0, "http://server:8080")
    listening = read_settings(["--config", str(folder), "--listen", "web=[::1]:80"], {})
    assert listening.listens == (("web", "::1", 80),)


def test_flags_alone_are_enough() -> None:
    config = read_settings(
        ["--server", "--url", "http://127.0.0.1:0", "--connect", "web=127.0.0.1:80"], {}
    )
    assert config.is_server
    assert config.targets == (("web", "127.0.0.1", 80),)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "serverUrl is missing"),
        (["--url", "http://x"], "clientId is missing"),
        (["--client-id", "0"], "0 is less than 1"),
        (["--listen", "web"], "'web' is not TUNNEL=HOST:PORT"),
    ],
)
def test_bad_command_lines_are_one_line_and_exit_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        read_settings(arguments, {})
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
