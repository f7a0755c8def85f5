import errno
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from peer_cli.transfer.manifest import Manifest, chunks_of
from peer_cli.transfer.staging import NameClashError
from tests.peer_cli.transfer.game_files import (
    BLOCK,
    Files,
    manifest_of,
    read_files,
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.staging_place import (
    KEPT,
    NEW,
    OLD,
    Place,
    opened,
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- opening, creating, holding ---------------------------------------------------------------


def test_files_are_made_at_full_size_aside_from_the_game(place: Place) -> None:
    write_files(place.root, OLD)
    staging = place.open()
    staging.create_files()
    sizes = {path: len(data) for path, data in read_files(staging.new).items()}
    assert sizes == {path: len(data) for path, data in NEW.items()}
    assert place.game() == OLD
    assert place.journal.exists()
    assert [path.name for path in place.journal.parent.iterdir()] == [place.journal.name]


def test_nothing_is_held_of_a_new_download(place: Place) -> None:
    staging = place.open()
    chunks = chunks_of(staging.manifest)
    assert staging.held(chunks) == {}
    staging.create_files()
    assert staging.held(chunks) == {}


def test_only_what_verifies_is_held(place: Place) -> None:
    staging = place.staged()
    path = staging.path("changed.bin")
    with path.open("r+b") as file:
        file.seek(2 * BLOCK + 7)
        file.write(b"x")  # block 2 is wrong
        file.truncate(9 * BLOCK)  # and the last one is missing
    staging.path("deep/er/added.bin").unlink()
    chunks = {chunk.index: chunk for chunk in chunks_of(staging.manifest)}
    held = staging.held(list(chunks.values()))
    found = sorted(
        (chunks[index].path, offset, length) for index, r in held.items() for offset, length in r
    )
    good = [n for n in range(9) if n != 2]
    assert [row for row in found if row[0] == "changed.bin"] == [
        ("changed.bin", number * BLOCK, BLOCK) for number in good
    ]
    assert [row for row in found if row[0] != "changed.bin"] == [
        (path, 0, len(NEW[path]))
        for path in sorted(NEW)
        if path not in ("changed.bin", "deep/er/added.bin", "empty.bin")
    ]
    for index, ranges in held.items():
        chunk = chunks[index]
        for offset, length in ranges:
            assert chunk.offset <= offset < offset + length <= chunk.offset + chunk.length


def test_an_interrupted_download_goes_on(place: Place) -> None:
    first = place.open()
    first.create_files()
    write_files(first.new, {"changed.bin": NEW["changed.bin"]})
    place.recover()
    second = place.open()
    assert second == first
    held = second.held(chunks_of(second.manifest))
    assert sum(length for r in held.values() for _, length in r) == len(NEW["changed.bin"])
    write_files(second.new, NEW)
    second.commit()
    place.check_settled(NEW)


def test_another_content_starts_afresh(place: Place) -> None:
    place.staged()
    other = place.open({**NEW, "changed.bin": b"other"}, "2")
    assert read_files(other.new) == {}
    assert other.held(chunks_of(other.manifest)) == {}


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"garbage", b"\xa5\xff\xff\xff\xff\xff"])
def test_a_damaged_journal_starts_afresh(place: Place, damage: bytes) -> None:
    place.staged()
    place.journal.write_bytes(damage)
    staging = place.open()
    assert read_files(staging.new) == {}


def test_a_full_disk_is_known_before(place: Place) -> None:
    staging = place.open()
    assert staging.lacking_space(0) == 0
    assert staging.lacking_space(1) == 0
    free = shutil.disk_usage(staging.folder).free
    assert 0 < staging.lacking_space(free + (1 << 50)) <= (1 << 50) + (1 << 40)


# --- commit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [{}, OLD, KEPT, {**OLD, **KEPT}], ids=["", "old", "local", "+"])
def test_a_commit_replaces_the_game_and_nothing_else(place: Place, before: Files) -> None:
    write_files(place.root, before)
    place.staged().commit()
    kept = {path: data for path, data in before.items() if path.startswith("local/")}
    place.check_settled({**NEW, **kept})


def test_version_ini_goes_first_and_comes_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(place.root, OLD)
    staging = place.staged()
    rename = Path.rename
    seen: list[dict[str, bytes]] = []

    def watch(source: Path, target: Path) -> Path:
        result = rename(source, target)
        seen.append(place.game())
        return result

    monkeypatch.setattr(Path, "rename", watch)
    staging.commit()
    first, *between, last = seen
    assert first == {path: data for path, data in OLD.items() if path != "version.ini"}
    assert len(between) > 5
    assert all("version.ini" not in game for game in between)
    assert last == NEW


def test_executable_bits_and_times_come_along(place: Place) -> None:
    manifest = manifest_of(NEW, version="2")
    files = [
        msgspec.structs.replace(
            file,
            executable=file.path == "folder",
            mtime_ns=0 if file.path == "empty.bin" else 1_234_567_890_123_456_789 + number,
        )
        for number, file in enumerate(manifest.files)
    ]
    staging = opened(place, Manifest("g", "2", tuple(files)))
    staging.create_files()
    write_files(staging.new, NEW)
    staging.path("same.bin").chmod(0o755)  # as an interrupted download of another manifest left it
    staging.commit()
    place.check_settled(NEW)
    for file in files:
        status = (place.root / file.path).stat()
        assert bool(status.st_mode & 0o100) == file.executable, file.path
        assert status.st_mode & 0o022 == 0
        assert not file.mtime_ns or status.st_mtime_ns == file.mtime_ns


@pytest.mark.parametrize("call", ["fchmod", "utime"])
def test_a_disk_without_bits_or_times_still_takes_the_game(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    files = [
        msgspec.structs.replace(file, executable=True, mtime_ns=1)
        for file in manifest_of(NEW, version="2").files
    ]
    staging = opened(place, Manifest("g", "2", tuple(files)))
    staging.create_files()
    write_files(staging.new, NEW)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, call, refuse)
    staging.commit()
    place.check_settled(NEW)


# --- names this disk cannot hold ----------------------------------------------------------------


def fold_names(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder behave as on a disk that takes `A` for `a` and `é` in either form for one."""

    def spelled(path: Any) -> Any:
        """Return a path as it is spelled by what is there already."""
        if not isinstance(path, str | os.PathLike) or not Path(path).is_relative_to(folder):
            return path
        place = folder
        for part in Path(path).relative_to(folder).parts:
            names = listdir(place) if isdir(place) else []
            same = [name for name in names if folded(name) == folded(part)]
            place = place / (same[0] if same else part)
        return str(place)

    def folded(name: str) -> str:
        return unicodedata.normalize("NFD", name).casefold()

    listdir, isdir = os.listdir, os.path.isdir
    for name in ("open", "mkdir", "stat", "lstat"):
        original = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *a, _call=original, **o: _call(spelled(path), *a, **o)
        )


CLASHES = [
    ("Data/a.bin", "data/a.bin"),
    ("Data/a.bin", "data/b.bin"),
    ("A.bin", "a.bin"),
    ("caf\u00e9", "cafe\u0301"),
    ("stra\u00dfe", "STRASSE"),
    ("Data", "data/a.bin"),
    ("data", "Data/a.bin"),
]


@pytest.mark.parametrize("names", CLASHES)
def test_names_that_this_disk_takes_for_one_are_a_clash(
    place: Place, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    write_files(place.root, OLD)
    staging = place.open({"version.ini": b"2\n", **dict.fromkeys(names, b"x")})
    fold_names(monkeypatch, staging.new)
    with pytest.raises(NameClashError, match="for one name"):
        staging.create_files()
    staging.roll_back()
    place.check_settled(OLD)


@pytest.mark.parametrize("names", CLASHES)
def test_a_disk_that_tells_names_apart_takes_both(place: Place, names: tuple[str, str]) -> None:
    files = {"version.ini": b"2\n", **{name: name.encode() for name in names}}
    place.staged(files).commit()
    place.check_settled(files)


def test_a_disk_that_folds_names_takes_a_game_without_clashes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = place.open({"version.ini": b"2\n", "Data/a.bin": b"x", "Data/B.bin": b"x"})
    fold_names(monkeypatch, staging.new)
    staging.create_files()


def test_a_disk_that_changes_a_name_does_not_keep_the_game(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = place.open({"version.ini": b"2\n", "a.": b"x"})
    create = os.open

    def without_last_dot(path: Any, *arguments: Any, **options: Any) -> int:
        return create(str(path).rstrip("."), *arguments, **options)

    monkeypatch.setattr(os, "open", without_last_dot)
    with pytest.raises(NameClashError, match=r"does not keep the name 'a\.'"):
        staging.create_files()


# --- links in the root ------------------------------------------------------------------------


def test_a_link_is_replaced_and_not_followed(place: Place) -> None:
    write_files(place.root, {"version.ini": b"1\n", "b.bin": b"old"})
    (place.root / "a.bin").symlink_to("b.bin")
    new = {"version.ini": b"2\n", "a.bin": b"new a", "b.bin": b"new b"}
    place.staged(new).commit()
    place.check_settled(new)


def test_a_link_out_of_the_root_is_replaced_and_not_followed(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.eti"
    outside.write_bytes(b"mine")
    write_files(place.root, {"version.ini": b"1\n"})
    (place.root / "a.eti").symlink_to(outside)
    new = {"version.ini": b"2\n", "a.eti": b"new"}
    place.staged(new).commit()
    assert outside.read_bytes() == b"mine"
    place.check_settled(new)


@pytest.mark.parametrize("inside", [False, True], ids=["out", "in"])
def test_a_linked_folder_is_replaced_and_not_followed(
    place: Place, tmp_path: Path, inside: bool
) -> None:
    outside = (place.root if inside else tmp_path) / "elsewhere"
    outside.mkdir(parents=True)
    (place.root).mkdir(exist_ok=True)
    (place.root / "sub").symlink_to(outside)
    new = {"version.ini": b"2\n", "sub/x.bin": b"new", "sub/er/y.bin": b"new"}
    place.staged(new).commit()
    assert list(outside.iterdir()) == []
    place.check_settled(new)
