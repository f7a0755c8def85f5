"""`peer-cli catalog`, as a user calls it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3

from peer_cli import catalog_tool
from peer_cli.catalog import CatalogEntry, load_catalog
from tests.peer_cli.peer_process import run_peer


@pytest.fixture
def games(tmp_path: Path) -> Path:
    for game_id, version in (("ggoo", "20200721"), ("css", "20240623")):
        root = tmp_path / "games" / game_id
        root.mkdir(parents=True)
        (root / "version.ini").write_text(f"{version}\n")
        (root / "pak").write_text(game_id)
    (tmp_path / "games" / "notes.txt").touch()
    (tmp_path / "games" / "installed" / "local").mkdir(parents=True)
    return tmp_path / "games"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def refused(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which it exits with 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        catalog_tool.main([str(argument) for argument in arguments])
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("peer-cli catalog")
    return err


def run(*arguments: object) -> None:
    catalog_tool.main([str(argument) for argument in arguments])


def listed(file: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    run("list", file, "--json")
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_catalog_of_a_folder_of_games(
    games: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("make", file, "--from", games)
    assert capsys.readouterr().out == f"{file}: 2 games\n"
    css, ggoo = listed(file, capsys)
    assert (css["id"], css["version"], css["title"]) == ("css", "20240623", None)
    assert (ggoo["id"], ggoo["version"], ggoo["title"]) == ("ggoo", "20200721", None)
    assert css["digest"] != ggoo["digest"]
    for row in (css, ggoo):
        run("digest", f"{games}/{row['id']}/.")
        assert capsys.readouterr().out == f"{row['digest']}\n"


def test_the_digest_is_the_same_for_the_same_content_only(
    games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def digest() -> str:
        run("digest", games / "ggoo")
        return capsys.readouterr().out

    before = digest()
    (games / "ggoo" / "local").mkdir()
    os.utime(games / "ggoo" / "pak", (1, 1))
    assert digest() == before
    (games / "ggoo" / "pak").write_text("other")
    assert digest() != before


def test_the_digest_is_that_of_the_manifest(
    games: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path.name: path.read_bytes() for path in (games / "ggoo").iterdir()}
    rows = [[name, len(data), [blake3(data).digest()]] for name, data in sorted(files.items())]
    run("digest", games / "ggoo")
    assert capsys.readouterr().out == f"{blake3(msgspec.msgpack.encode(rows)).hexdigest()}\n"


def test_games_are_entered_changed_and_removed(games: Path, file: Path) -> None:
    run("make", file)
    assert load_catalog(file) == {}
    run("add", file, "--from", games / "ggoo", "--title", "Otters")
    run("add", file, "css", "--version", "1")
    added = load_catalog(file)
    assert added["css"] == CatalogEntry("css", "1")
    assert added["ggoo"][:3] == ("ggoo", "20200721", "Otters")
    run("edit", file, "ggoo", "--version", "2", "--no-digest")
    run("edit", file, "css", "--digest", "ab" * 32)
    changed = load_catalog(file)
    assert changed["ggoo"] == CatalogEntry("ggoo", "2", "Otters")
    assert changed["css"] == CatalogEntry("css", "1", None, b"\xab" * 32)
    run("edit", file, "ggoo", "--no-title", "--from", games / "ggoo")
    assert load_catalog(file)["ggoo"] == added["ggoo"]._replace(title=None)
    run("remove", file, "ggoo")
    assert list(load_catalog(file)) == ["css"]


def test_the_table_is_for_people(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("make", file)
    run("add", file, "a", "--version", "1", "--title", "An \x1b[31mA")
    capsys.readouterr()
    run("list", file)
    assert capsys.readouterr().out.splitlines() == [
        "GAME  VERSION  DIGEST  TITLE",
        r"a     1        -       'An \x1b[31mA'",
    ]


def test_what_cannot_be_done_is_one_line_and_exit_2(
    games: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("make", file)
    run("add", file, "--from", games / "ggoo")
    (games / "css" / "version.ini").write_text("")
    missing = file.with_name("missing.db")
    cases: dict[str, list[object]] = {
        "required: COMMAND": [],
        "invalid choice: 'fly'": ["fly"],
        "already exists": ["make", file],
        "css cannot be read completely: version.ini is empty": ["make", missing, "--from", games],
        "Cannot take games from": ["make", missing, "--from", file],
        "is already in": ["add", file, "ggoo", "--version", "1"],
        "css is not in": ["edit", file, "css", "--version", "1"],
        "x is not in": ["remove", file, "x"],
        "needs a --version": ["add", file, "x"],
        "Name a GAME_ID": ["add", file],
        "64 hex digits": ["edit", file, "ggoo", "--digest", "abc"],
        "not allowed with": ["edit", file, "ggoo", "--title", "A", "--no-title"],
        "is one of 20200721": ["edit", file, "ggoo", "--version", "2"],
        "is not a game": ["digest", games],
        "unusable game id": ["add", file, "a/b", "--version", "1"],
        "No such file": ["list", missing],
        "Is a directory": ["list", games],
    }
    before = file.read_bytes()
    for text, arguments in cases.items():
        assert text in refused(arguments, capsys), arguments
    assert file.read_bytes() == before
    assert not missing.exists()


def test_it_is_a_tool_of_the_peer(file: Path) -> None:
    for arguments in (["make", str(file)], ["list", str(file)], ["--help"]):
        ended = run_peer(["catalog", *arguments])
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert ended.stdout
