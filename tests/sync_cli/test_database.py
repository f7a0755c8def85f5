"""What of the database survives a power cut: what was committed while SQLite synced everything."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sync_cli.database import Database


class Told:
    """A database, and how each of its commits was made, as its statements tell."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._statements: list[str] = []
        connect = sqlite3.connect

        def connect_and_listen(*arguments: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **named)
            connection.set_trace_callback(self._statements.append)
            return connection

        monkeypatch.setattr(sqlite3, "connect", connect_and_listen)
        self.database = Database(path)
        self._statements.clear()

    def commits(self) -> list[str]:
        """Return for each commit so far how much it synced."""
        synced, found = "NORMAL", []
        for statement in self._statements:
            if statement.startswith("PRAGMA synchronous"):
                synced = statement.rpartition(" ")[2]
            elif statement == "COMMIT":
                found.append(synced)
        return found


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Return an empty database."""
    return Told(tmp_path / "index.sqlite", monkeypatch)


def test_a_transaction_survives_a_power_cut(told: Told) -> None:
    with told.database.transaction():
        told.database.set_meta("a", "1")
    assert told.commits() == ["FULL"]


def test_what_need_not_survive_one_is_not_waited_for(told: Told) -> None:
    with told.database.transaction():
        pass
    with told.database.transaction(durable=False):
        told.database.set_meta("a", "1")
    assert told.commits() == ["FULL", "NORMAL"]


def test_a_version_always_survives_one(told: Told) -> None:
    with told.database.transaction(durable=False):
        told.database.next_sequence()
    assert told.commits() == ["NORMAL", "FULL"]
    assert told.database.meta("sequence") == "1"


def test_after_a_failure_single_statements_are_not_waited_for(told: Told) -> None:
    with pytest.raises(KeyError), told.database.transaction():
        raise KeyError
    assert told.database.rows("PRAGMA synchronous") == [(1,)]
