import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from network.address import Address, primary_ip
from peer_cli.settings import Settings, read_settings

NEEDED = ["--games-dir", "/g", "--state-dir", "/s", "--catalog-db", "/c"]

# flag, text, other text, the field, what the texts mean
FLAGS: list[tuple[str, str, str, str, Any, Any]] = [
    ("--name", "Ann", "Ben", "name", "Ann", "Ben"),
    ("--games-dir", "/a", "/b", "games_dir", Path("/a"), Path("/b")),
    ("--state-dir", "/a", "/b", "state_dir", Path("/a"), Path("/b")),
    ("--catalog-db", "/a", "/b", "catalog_db", Path("/a"), Path("/b")),
    ("--listen", "127.0.0.2:4000", "[::1]", "listen",
     Address("127.0.0.2", 4000), Address("::1", 0)),
    ("--fixture", "ggoo", "other", "fixtures", ("ggoo",), ("other",)),
    ("--unrar", "/usr/bin/unrar", "unrar-nonfree", "unrar", "/usr/bin/unrar", "unrar-nonfree"),
    ("--unpacker", "fixture", "archive", "unpacker", "fixture", "archive"),
    ("--upload-limit", "80MiB", "500KB/s", "upload_limit", 80 << 20, 500_000),
    ("--download-limit", "65536", "1.5GiB", "download_limit", 65536, 3 << 29),
    ("--stall-timeout", "0.5", "10", "stall_timeout_s", 0.5, 10.0),
    ("--swarm-key", "/k", "/l", "swarm_key_file", Path("/k"), Path("/l")),
    ("--mdns", "on", "off", "mdns", True, False),
    ("--encrypt-data", "on", "off", "encrypt_data", True, False),
    ("--read-only", "on", "off", "read_only", True, False),
]  # fmt: skip


def variable_of(flag: str) -> str:
    return "PEER_CLI_" + flag.removeprefix("--").replace("-", "_").upper()


def test_the_flags_are_all_here() -> None:
    fields = [field for _, _, _, field, _, _ in FLAGS]
    assert sorted(fields) == sorted(Settings._fields)


@pytest.mark.parametrize(("flag", "text", "other", "field", "value", "other_value"), FLAGS)
def test_flags_and_variables_and_the_flag_wins(
    flag: str, text: str, other: str, field: str, value: object, other_value: object
) -> None:
    variables = {variable_of(flag): other}
    by_flag = read_settings([*NEEDED, flag, text], {})
    needed = [part for part in NEEDED if part != flag]
    if flag in NEEDED:
        del needed[NEEDED.index(flag)]
    by_variable = read_settings(needed, variables)
    by_both = read_settings([*NEEDED, flag, text], variables)
    assert getattr(by_flag, field) == value
    assert getattr(by_variable, field) == other_value
    assert getattr(by_both, field) == value


def test_defaults() -> None:
    assert read_settings(NEEDED, {}) == Settings(
        name=socket.gethostname(),
        games_dir=Path("/g"),
        state_dir=Path("/s"),
        catalog_db=Path("/c"),
        listen=Address(primary_ip(), 0),
        fixtures=(),
        unrar=None,
        unpacker="archive",
        upload_limit=None,
        download_limit=None,
        stall_timeout_s=5.0,
        swarm_key_file=None,
        mdns=False,
        encrypt_data=False,
        read_only=False,
    )


def test_the_default_address_is_a_real_one() -> None:
    address = read_settings(NEEDED, {}).listen
    assert address.ip not in ("0.0.0.0", "::")
    with socket.socket() as probe:
        probe.bind(address)


def test_fixtures_add_up_and_the_variable_takes_several() -> None:
    assert read_settings([*NEEDED, "--fixture", "a", "--fixture", "b"], {}).fixtures == ("a", "b")
    assert read_settings(NEEDED, {"PEER_CLI_FIXTURE": "a, b,c"}).fixtures == ("a", "b", "c")


def test_switches_need_no_value() -> None:
    assert read_settings([*NEEDED, "--mdns"], {}).mdns is True
    assert read_settings([*NEEDED, "--encrypt-data"], {}).encrypt_data is True
    assert read_settings(NEEDED, {"PEER_CLI_ENCRYPT_DATA": "on"}).encrypt_data is True


@pytest.mark.parametrize("text", ["1", "true", "YES", "On"])
def test_a_switch_may_be_on_in_many_ways(text: str) -> None:
    assert read_settings(NEEDED, {"PEER_CLI_MDNS": text}).mdns is True


BAD_VALUES = [
    ("--name", ""),
    ("--name", "x" * 201),
    ("--name", "two\nlines"),
    ("--listen", "nowhere"),
    ("--listen", "127.0.0.1:port"),
    ("--listen", "127.0.0.1:65536"),
    ("--listen", "127.0.0.1:-1"),
    ("--listen", "localhost:4000"),
    ("--fixture", "../x"),
    ("--fixture", "a/b"),
    ("--fixture", "local"),
    ("--fixture", ".hidden"),
    ("--unpacker", "zip"),
    ("--upload-limit", "fast"),
    ("--upload-limit", "0"),
    ("--upload-limit", "-1MiB"),
    ("--download-limit", "80Mb"),
    ("--stall-timeout", "soon"),
    ("--stall-timeout", "0"),
    ("--stall-timeout", "0.05"),
    ("--stall-timeout", "-5"),
    ("--stall-timeout", "3601"),
    ("--stall-timeout", "nan"),
    ("--stall-timeout", "inf"),
    ("--mdns", "maybe"),
    ("--read-only", "maybe"),
]


def refusal(
    capsys: pytest.CaptureFixture[str], arguments: list[str], variables: dict[str, str]
) -> str:
    """Return the one line that reading these settings ends with."""
    with pytest.raises(SystemExit) as exit_:
        read_settings(arguments, variables)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("peer-cli: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.mark.parametrize(("flag", "text"), BAD_VALUES)
def test_a_bad_value_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], flag: str, text: str
) -> None:
    assert flag in refusal(capsys, [*NEEDED, f"{flag}={text}"], {})


@pytest.mark.parametrize(
    ("flag", "text"), [(flag, text) for flag, text in BAD_VALUES if (flag, text) != ("--name", "")]
)
def test_a_bad_variable_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], flag: str, text: str
) -> None:
    line = refusal(capsys, NEEDED, {variable_of(flag): text})
    assert flag in line or variable_of(flag) in line


@pytest.mark.parametrize("flag", ["--games-dir", "--state-dir", "--catalog-db"])
def test_what_has_no_default_must_be_given(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    place = NEEDED.index(flag)
    line = refusal(capsys, NEEDED[:place] + NEEDED[place + 2 :], {})
    assert flag in line
    assert variable_of(flag) in line


@pytest.mark.parametrize(
    "arguments", [["--nmae", "x"], ["--name"], ["extra"], ["--stall", "5"], ["--games-dir"]]
)
def test_unknown_flags_are_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    refusal(capsys, [*NEEDED, *arguments], {})


def test_an_empty_folder_is_not_taken_for_the_current_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for flag in ("--games-dir", "--state-dir", "--catalog-db"):
        assert flag in refusal(capsys, [*NEEDED, flag, ""], {})


def test_an_empty_variable_counts_as_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Compose passes every variable that a file names, whether anybody has set it or not."""
    empty = {variable_of(flag): "" for flag, *_ in FLAGS}
    assert read_settings(NEEDED, empty) == read_settings(NEEDED, {})
    assert "--games-dir is missing" in refusal(capsys, [], empty)


def test_help_names_every_flag_and_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read_settings(["--help"], {})
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert all(flag in text for flag, *_ in FLAGS)


@pytest.mark.parametrize("make", [str.upper, str.lower], ids=["upper", "lower"])
def test_other_variables_do_not_matter(make: Callable[[str], str]) -> None:
    assert read_settings(NEEDED, {make("name"): "x", "PEER_NAME": "y"}) == read_settings(NEEDED, {})
