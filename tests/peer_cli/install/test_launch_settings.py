import os
from pathlib import Path
from typing import Any

import pytest

from peer_cli.install.launch_settings import (
    AppliedSettings,
    apply_launch_settings,
    clear_marker,
    with_persona_name,
)

INI = b"[Settings]\r\nAppId = 240\r\nPersonaName = stubplayer\r\nLanguage = english\r\n"
INI_PATH = "engine/bin/win64/steam_settings/SmartSteamEmu.ini"


@pytest.fixture
def local(tmp_path: Path) -> Path:
    local = tmp_path / "games/css/local"
    for name, content in {
        "profiles/local/account_name.txt": b"stub\n",
        "profiles/local/language.txt": b"english",
        INI_PATH: INI,
    }.items():
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(content)
    return local


def play(local: Path, name: str = "Ünï = Cörn", language: str = "german") -> AppliedSettings:
    return apply_launch_settings(local, local.parents[2] / "state", "css", name, language)


def test_the_first_time_all_three_are_stamped(local: Path) -> None:
    assert play(local) == AppliedSettings(False, True, True, True)
    assert (local / "profiles/local/account_name.txt").read_text() == "Ünï = Cörn"
    assert (local / "profiles/local/language.txt").read_bytes() == b"german"
    assert (local / INI_PATH).read_bytes() == INI.replace(b"stubplayer", "Ünï = Cörn".encode())
    assert (local.parents[2] / "state/games/css/launch_settings_applied").exists()
    assert len([path for path in local.rglob("*") if path.is_file()]) == 3


def test_the_second_time_nothing_is_touched(local: Path) -> None:
    play(local)
    (local / INI_PATH).write_bytes(INI)
    assert play(local) == AppliedSettings(already_applied=True)
    assert (local / INI_PATH).read_bytes() == INI


def test_a_cleared_marker_stamps_again(local: Path) -> None:
    play(local)
    clear_marker(local.parents[2] / "state", "css")
    clear_marker(local.parents[2] / "state", "css")
    assert play(local, "again").persona_name_written
    assert b"PersonaName = again\r\n" in (local / INI_PATH).read_bytes()


def test_only_the_first_of_each_name_is_written(local: Path) -> None:
    for name in ("zz/ACCOUNT_NAME.txt", "profiles/local/sub/account_name.txt"):
        (local / name).parent.mkdir(parents=True)
        (local / name).write_bytes(b"other")
    (local / "Aa").mkdir()
    (local / "Aa/Language.TXT").write_bytes(b"first")
    play(local, "me")
    assert (local / "zz/ACCOUNT_NAME.txt").read_bytes() == b"other"
    assert (local / "profiles/local/sub/account_name.txt").read_bytes() == b"other"
    assert (local / "profiles/local/account_name.txt").read_bytes() == b"me"
    assert (local / "Aa/Language.TXT").read_bytes() == b"german"
    assert (local / "profiles/local/language.txt").read_bytes() == b"english"


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    local = tmp_path / "games/css/local"
    local.mkdir(parents=True)
    assert play(local) == AppliedSettings()
    assert list(local.iterdir()) == []
    assert play(local) == AppliedSettings(already_applied=True)


def test_links_are_not_followed(local: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    (local / "profiles/local/account_name.txt").unlink()
    (local / "profiles/local/account_name.txt").symlink_to(outside)
    assert not play(local).account_name_written
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (INI, INI.replace(b"stubplayer", b"ME")),
        (b"PersonaName=x", b"PersonaName=ME"),
        (b"PersonaName =\n", b"PersonaName =ME\n"),
        (b"PersonaName = \r\nNext = 1\r\n", b"PersonaName = ME\r\nNext = 1\r\n"),
        (b"\tpersonaname\t=  x y \t\r\n", b"\tpersonaname\t=  ME \t\r\n"),
        (b"a\n;PersonaName = c\nPersonaName = d", b"a\n;PersonaName = c\nPersonaName = ME"),
        (b"PersonaName = a\nPersonaName = b\n", b"PersonaName = ME\nPersonaName = b\n"),
        (b"\xef\xbb\xbfPersonaName=a\n\xff\xfe\x80", b"\xef\xbb\xbfPersonaName=ME\n\xff\xfe\x80"),
        (b"PersonaNames = a\nMyPersonaName = b\nPersonaName\n= c\n", None),
        (b"", None),
    ],
)
def test_only_the_value_changes(before: bytes, after: bytes | None) -> None:
    assert with_persona_name(before, b"ME") == after


def test_a_name_is_no_pattern() -> None:
    assert with_persona_name(b"PersonaName = a", rb"\1\g<0>") == rb"PersonaName = \1\g<0>"


@pytest.mark.parametrize(
    "value", ["", "a\nb", "a\rb", "a\0b", "\x1b[0m", "a\u2028b", "\ud800", "x" * 256]
)
def test_what_cannot_stand_in_one_line_is_refused(local: Path, value: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        play(local, value)
    with pytest.raises(ValueError, match="language"):
        play(local, "me", value)
    assert (local / INI_PATH).read_bytes() == INI
    assert not play(local).already_applied


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("bin"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refusing)
        with pytest.raises(PermissionError):
            play(local)
    assert play(local).persona_name_written
