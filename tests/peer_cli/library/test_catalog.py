import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from peer_cli.catalog import (
    CatalogEntry,
    CatalogError,
    edit_catalog,
    load_catalog,
    write_catalog,
)
from tests.headless.node_process import unprivileged

GOOD = "CREATE TABLE games(game_id TEXT PRIMARY KEY, version TEXT, title TEXT, content_digest BLOB)"


def make(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    entries = [
        CatalogEntry("ggoo", "20200721", "Game of öffentliche Orte", b"d" * 32),
        CatalogEntry("css", "20240623"),
    ]
    path = tmp_path / "odd name?#%.db"
    write_catalog(path, entries)
    assert load_catalog(path) == {entry.game_id: entry for entry in entries}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_same_entries_give_the_same_file(tmp_path: Path) -> None:
    entries = [CatalogEntry("b", "1"), CatalogEntry("a", "2")]
    write_catalog(tmp_path / "1.db", entries)
    write_catalog(tmp_path / "2.db", reversed(entries))
    assert (tmp_path / "1.db").read_bytes() == (tmp_path / "2.db").read_bytes()


def test_a_game_twice_is_refused_and_the_old_catalog_kept(tmp_path: Path) -> None:
    path = tmp_path / "game.db"
    write_catalog(path, [CatalogEntry("a", "1")])
    with pytest.raises(CatalogError, match="twice"):
        write_catalog(path, [CatalogEntry("b", "1"), CatalogEntry("b", "2")])
    assert list(load_catalog(path)) == ["a"]
    assert [file.name for file in tmp_path.iterdir()] == ["game.db"]


def test_the_catalog_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "game.db"
    write_catalog(path, [CatalogEntry("a", "1")])
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    before = path.stat()
    assert list(load_catalog(path)) == ["a"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    tmp_path.chmod(0o700)


def test_an_unusable_file_is_one_clear_line(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database " * 1000)
    cases = {
        tmp_path / "missing.db": "No such file",
        tmp_path: "Is a directory",
        garbage: "not an SQLite file",
        make(tmp_path / "1.db", "CREATE TABLE other(x)"): "no such table",
        make(tmp_path / "2.db", "CREATE TABLE games(game_id, version)"): "no such column",
    }
    for path, message in cases.items():
        with pytest.raises(CatalogError, match=message) as caught:
            load_catalog(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_a_locked_catalog_is_said_to_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "game.db"
    write_catalog(path, [CatalogEntry("a", "1")])
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", partial(connect, timeout=0))
    with closing(connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CatalogError, match="is locked by another program"):
            load_catalog(path)
        with pytest.raises(CatalogError, match="is locked"), edit_catalog(path):
            pass
    assert list(load_catalog(path)) == ["a"]


def in_wal_mode(path: Path) -> Path:
    write_catalog(path, [CatalogEntry("a", "1")])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    return path


def run_unprivileged(code: str) -> str:
    """Run code for which file permissions hold, whoever runs the tests."""
    return subprocess.run(
        [*unprivileged(), sys.executable, "-c", code],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_a_catalog_in_wal_mode_is_read_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = in_wal_mode(tmp_path / "game.db")
    tmp_path.chmod(0o500)
    read = (
        "from pathlib import Path; from peer_cli.catalog import load_catalog;"
        f"print(list(load_catalog(Path({str(path)!r}))))"
    )
    assert run_unprivileged(read) == "['a']\n"
    assert [file.name for file in tmp_path.iterdir()] == ["game.db"]
    tmp_path.chmod(0o700)


def test_changes_that_cannot_be_read_are_not_passed_over(tmp_path: Path) -> None:
    path = in_wal_mode(tmp_path / "game.db")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO games VALUES ('b', '1', NULL, NULL)")
        writer.commit()
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("game.db", "game.db-wal"):
            shutil.copy(tmp_path / name, copy / name)
    copy.chmod(0o500)
    read = (
        "from pathlib import Path; from peer_cli.catalog import CatalogError, load_catalog\n"
        f"try:\n load_catalog(Path({str(copy / 'game.db')!r}))\n"
        "except CatalogError as error:\n print(error)"
    )
    assert "has changes in game.db-wal that cannot be read" in run_unprivileged(read)
    copy.chmod(0o700)


def test_an_edit_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    path = make(
        tmp_path / "game.db",
        GOOD.replace("title TEXT", "title TEXT, genre TEXT"),
        "CREATE TABLE other(x)",
        "INSERT INTO games VALUES ('a', '1', NULL, 'puzzle', NULL)",
        "INSERT INTO games VALUES ('b', '1', NULL, 'sport', NULL)",
    )
    with edit_catalog(path) as editor:
        editor.put(CatalogEntry("a", "2", "A", b"d" * 32))
        editor.put(CatalogEntry("c", "1"))
        editor.remove("b")
    assert load_catalog(path) == {
        "a": CatalogEntry("a", "2", "A", b"d" * 32),
        "c": CatalogEntry("c", "1"),
    }
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT game_id, genre FROM games ORDER BY 1").fetchall()
    assert rows == [("a", "puzzle"), ("c", None)]


def test_an_edit_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "game.db"
    write_catalog(path, [CatalogEntry("a", "1")])

    def edit() -> None:
        with edit_catalog(path) as editor:
            editor.remove("a")
            editor.put(CatalogEntry("../b", "1"))

    with pytest.raises(CatalogError, match="game id"):
        edit()
    assert list(load_catalog(path)) == ["a"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("'../up', '1', NULL, NULL", "game id"),
        ("x'00', '1', NULL, NULL", "game id"),
        ("NULL, '1', NULL, NULL", "game id"),
        ("'a', NULL, NULL, NULL", "version"),
        ("'a', ' ', NULL, NULL", "version"),
        ("'a', x'31', NULL, NULL", "version"),
        ("'a', '1', x'31', NULL", "title"),
        ("'a', '1', NULL, 'text'", "digest"),
        ("'a', '1', NULL, x'31'", "digest"),
    ],
)
def test_an_unusable_row_is_refused(tmp_path: Path, row: str, message: str) -> None:
    path = make(tmp_path / "game.db", GOOD, f"INSERT INTO games VALUES ({row})")
    with pytest.raises(CatalogError, match=message):
        load_catalog(path)


def test_a_version_is_stripped_as_that_of_a_game_is(tmp_path: Path) -> None:
    path = make(tmp_path / "game.db", GOOD, "INSERT INTO games VALUES ('a', ' 1\n', NULL, NULL)")
    assert load_catalog(path)["a"].version == "1"
