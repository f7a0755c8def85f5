"""`peer-cli catalog`: makes, lists and edits catalogs. Exits with 0, or with 2 and one line."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from peer_cli.catalog import (
    DIGEST_SIZE,
    Catalog,
    CatalogEntry,
    CatalogError,
    edit_catalog,
    load_catalog,
    write_catalog,
)
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.library.scan import LocalGame, scan_game, scan_library
from peer_cli.names import check_game_id
from peer_cli.transfer.manifest import Manifest
from store.names import UnsafeName

EXIT_FAILED = 2

_DESCRIPTION = """\
A catalog lists games and the version at which peers exchange each of them.
A game with a digest is accepted only with exactly that content. Without one, the
majority of its sources decides. The digest is the BLAKE3 of the game's manifest
(paths, sizes, hashes) and does not cover what is installed in local/.
"""

_EXAMPLES = """\
  peer-cli catalog make catalog.db --from games
  peer-cli catalog add catalog.db --from games/ggoo --title 'Game of Otters'
  peer-cli catalog add catalog.db css --version 20240623
  peer-cli catalog edit catalog.db css --version 20240701 --no-digest
  peer-cli catalog list catalog.db
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_FAILED, f"{self.prog}: {message}; {self.prog} --help shows the usage\n")


def main(arguments: Sequence[str]) -> None:
    """Run `peer-cli catalog ARGUMENTS`."""
    chosen = _parser().parse_args(arguments)
    carry_out: Callable[[argparse.Namespace], None] = chosen.carry_out
    try:
        carry_out(chosen)
    except CatalogError as error:
        _fail(str(error))
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _fail(f"Cannot use{where}: {error.strerror}." if error.strerror else str(error))


def _fail(text: str) -> NoReturn:
    print(f"peer-cli catalog: {text}", file=sys.stderr)
    sys.exit(EXIT_FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="peer-cli catalog",
        description=_DESCRIPTION,
        epilog="examples:\n" + _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(
        name: str, carry_out: Callable[[argparse.Namespace], None], help_text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        added.set_defaults(carry_out=carry_out)
        return added

    make = command("make", _make, "make a new catalog: empty, or of a folder of games")
    make.add_argument("file", type=Path, metavar="FILE")
    make.add_argument(
        "--from", type=Path, dest="source", metavar="GAMES_DIR", help="enter all its games"
    )
    make.add_argument("--no-digest", action="store_true", help="let the sources vote")

    listing = command("list", _list, "list the games of a catalog")
    listing.add_argument("file", type=Path, metavar="FILE")
    listing.add_argument("--json", action="store_true", help="one JSON object per line")

    for name, carry_out, help_text in (
        ("add", _add, "enter a game"),
        ("edit", _edit, "change what the catalog says of a game; what you do not name stays"),
    ):
        change = command(name, carry_out, help_text)
        change.add_argument("file", type=Path, metavar="FILE")
        change.add_argument(
            "game_id", nargs="?", metavar="GAME_ID", help="default: the name of GAME_DIR"
        )
        change.add_argument(
            "--from",
            type=Path,
            dest="source",
            metavar="GAME_DIR",
            help="take version and digest of this game's folder",
        )
        change.add_argument("--version", help="the text of its version.ini")
        title = change.add_mutually_exclusive_group()
        title.add_argument("--title")
        title.add_argument("--no-title", action="store_true", help="without one")
        digest = change.add_mutually_exclusive_group()
        digest.add_argument("--digest", type=_digest, metavar="HEX", help="64 hex digits")
        digest.add_argument("--no-digest", action="store_true", help="let the sources vote")

    remove = command("remove", _remove, "remove a game")
    remove.add_argument("file", type=Path, metavar="FILE")
    remove.add_argument("game_id", metavar="GAME_ID")

    digest_of = command("digest", _print_digest, "print the digest of a game's folder")
    digest_of.add_argument("source", type=Path, metavar="GAME_DIR")
    return parser


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_SIZE:
        raise argparse.ArgumentTypeError(f"expected {2 * DIGEST_SIZE} hex digits, not {text!r}")
    return digest


def _make(chosen: argparse.Namespace) -> None:
    if os.path.lexists(chosen.file):
        raise CatalogError(f"{chosen.file} already exists; use add and edit, or another name.")
    entries = []
    if chosen.source is not None:
        found = scan_library(chosen.source)
        if not chosen.source.is_dir() or found.problems:
            reason = found.problems[0] if found.problems else "It is not a folder."
            raise CatalogError(f"Cannot take games from {chosen.source}: {reason}")
        entries = [
            _entry_of(chosen.source / game.id, with_digest=not chosen.no_digest)
            for game in found.games.values()
            if game.downloaded or game.problem is not None
        ]
    write_catalog(chosen.file, entries)
    print(f"{chosen.file}: {len(entries)} games")


def _list(chosen: argparse.Namespace) -> None:
    catalog = load_catalog(chosen.file)
    rows = [
        {
            "id": entry.game_id,
            "version": entry.version,
            "title": entry.title,
            "digest": entry.content_digest.hex() if entry.content_digest else None,
        }
        for _, entry in sorted(catalog.items())
    ]
    if chosen.json:
        for row in rows:
            print(json.dumps(row))
        return
    table = [("GAME", "VERSION", "DIGEST", "TITLE")] + [
        tuple(_shown(row[name]) for name in ("id", "version", "digest", "title")) for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[3]]).rstrip())


def _shown(text: str | None) -> str:
    if text is None:
        return "-"
    return text if text.isprintable() else ascii(text)


def _add(chosen: argparse.Namespace) -> None:
    with edit_catalog(chosen.file) as editor:
        game_id = _game_id(chosen)
        if game_id in editor.catalog:
            raise CatalogError(f"{game_id} is already in {chosen.file}; use edit.")
        editor.put(_changed(CatalogEntry(game_id, ""), chosen))


def _edit(chosen: argparse.Namespace) -> None:
    with edit_catalog(chosen.file) as editor:
        game_id = _game_id(chosen)
        editor.put(_changed(_known(editor.catalog, game_id, chosen.file), chosen))


def _remove(chosen: argparse.Namespace) -> None:
    with edit_catalog(chosen.file) as editor:
        editor.remove(_known(editor.catalog, chosen.game_id, chosen.file).game_id)


def _print_digest(chosen: argparse.Namespace) -> None:
    entry = _entry_of(chosen.source, with_digest=True)
    assert entry.content_digest is not None
    print(entry.content_digest.hex())


def _game_id(chosen: argparse.Namespace) -> str:
    if chosen.game_id is None and chosen.source is None:
        raise CatalogError("Name a GAME_ID, or a game's folder with --from.")
    game_id: str = chosen.game_id or chosen.source.absolute().name
    return game_id


def _known(catalog: Catalog, game_id: str, file: Path) -> CatalogEntry:
    if game_id not in catalog:
        raise CatalogError(f"{game_id} is not in {file}; use add.")
    return catalog[game_id]


def _changed(entry: CatalogEntry, chosen: argparse.Namespace) -> CatalogEntry:
    if chosen.source is not None:
        taken = _entry_of(chosen.source, with_digest=not chosen.no_digest)
        entry = entry._replace(version=taken.version, content_digest=taken.content_digest)
    if chosen.version is not None:
        if entry.content_digest and not (chosen.source or chosen.digest or chosen.no_digest):
            raise CatalogError(
                f"The digest of {entry.game_id} is one of {entry.version}; give the new one, with "
                "--from or --digest, or --no-digest."
            )
        entry = entry._replace(version=chosen.version)
    if chosen.title is not None or chosen.no_title:
        entry = entry._replace(title=chosen.title)
    if chosen.digest is not None or chosen.no_digest:
        entry = entry._replace(content_digest=chosen.digest)
    if not entry.version:
        raise CatalogError(f"{entry.game_id} needs a --version, or a folder with --from.")
    return entry


def _entry_of(root: Path, *, with_digest: bool) -> CatalogEntry:
    """Return the catalog entry for a game's folder. Raises CatalogError, OSError."""
    root = Path(os.path.abspath(root))  # noqa: PTH100 - resolves a trailing `.` or `..`
    game = _game_at(root)
    assert game.version is not None
    digest = _digest_of(root, game.version) if with_digest else None
    return CatalogEntry(game.id, game.version, None, digest)


def _game_at(root: Path) -> LocalGame:
    try:
        check_game_id(root.name)
    except UnsafeName as error:
        raise CatalogError(str(error)) from error
    game = scan_game(root)
    if game is None or not (game.downloaded or game.problem):
        raise CatalogError(f"{root} is not a game: it has no version.ini.")
    if game.problem is not None:
        raise CatalogError(f"{root} cannot be read completely: {game.problem}")
    return game


def _digest_of(root: Path, version: str) -> bytes:
    index = ContentIndex(Path(":memory:"))
    try:
        library = Library(root.parent, index, _fail)
        files = library.files(root.name, threading.Event(), lambda done, total: None)
    finally:
        index.close()
    return Manifest(root.name, version, tuple(files)).digest()
