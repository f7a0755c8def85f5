"""Makes a tiny game, for trying out a peer that has no games."""

import hashlib
from pathlib import Path

from peer_cli.library.scan import VERSION_FILE, scan_game
from peer_cli.names import check_game_id
from peer_cli.rar_writer import StoredEntry, write_stored_rar

_PAYLOAD_BYTES = 64 * 1024
_STEM_BYTES = 240


def seed_fixture_game(games_dir: Path, game_id: str, version: str) -> None:
    """Put a game with a tiny archive and a version.ini into `games_dir`, an existing folder.

    Every peer makes the same bytes for the same id and version. A game that is already downloaded
    or installed is left alone; an interrupted seeding is completed. Raises UnsafeName for an id
    that cannot be a folder's name, and OSError when the folder cannot be written.
    """
    root = games_dir / check_game_id(game_id)
    if scan_game(root) is not None:
        return
    root.mkdir(exist_ok=True)
    archive = root / f"{_stem(game_id)}.eti"
    if not archive.exists():
        # The name is fixed, so the next seeding overwrites what an interrupted one left.
        unfinished = root / ".seed.tmp"
        write_stored_rar(unfinished, _entries(game_id))
        unfinished.replace(archive)
    unfinished_version = root / ".version.ini.tmp"
    unfinished_version.write_text(f"{version}\n", encoding="utf-8")
    unfinished_version.replace(root / VERSION_FILE)


def _entries(game_id: str) -> list[StoredEntry]:
    # The bytes never repeat, so that a block in the wrong place is noticed.
    payload = hashlib.shake_256(f"fixture {game_id}".encode()).digest(_PAYLOAD_BYTES)
    return [
        StoredEntry("bin", is_directory=True),
        StoredEntry(f"bin/{_stem(game_id)}-payload.bin", payload),
        StoredEntry("fixture-payload.txt", f"fixture payload of {game_id}\n".encode()),
    ]


def _stem(game_id: str) -> str:
    """Shorten an id to leave room for a suffix: an id may be as long as a name can be."""
    return game_id.encode()[:_STEM_BYTES].decode(errors="ignore")
