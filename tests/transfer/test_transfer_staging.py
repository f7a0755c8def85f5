import shutil
from pathlib import Path

import pytest
from game_files import (
    BLOCK,
    Files,
    read_files,
    use_small_blocks,
    write_files,
)
from staging_place import (
    KEPT,
    NEW,
    OLD,
    Place,
)

from peer_cli.transfer.manifest import chunks_of


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
    sizes = {path: len(data) for path, data in read_files(staging.folder).items()}
    assert sizes == {path: len(data) for path, data in NEW.items()}
    assert place.game() == OLD
    assert place.journal.exists()
    assert [path.name for path in place.journal.parent.iterdir()] == ["g.journal"]


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
    write_files(first.folder, {"changed.bin": NEW["changed.bin"]})
    place.recover()
    second = place.open()
    assert second == first
    held = second.held(chunks_of(second.manifest))
    assert sum(length for r in held.values() for _, length in r) == len(NEW["changed.bin"])
    write_files(second.folder, NEW)
    second.commit()
    place.check_settled(NEW)


def test_another_content_starts_afresh(place: Place) -> None:
    place.staged()
    other = place.open({**NEW, "changed.bin": b"other"}, "2")
    assert read_files(other.folder) == {}
    assert other.held(chunks_of(other.manifest)) == {}


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"garbage", b"\xa5\xff\xff\xff\xff\xff"])
def test_a_damaged_journal_starts_afresh(place: Place, damage: bytes) -> None:
    place.staged()
    place.journal.write_bytes(damage)
    staging = place.open()
    assert read_files(staging.folder) == {}


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


def test_version_ini_comes_last(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(place.root, OLD)
    staging = place.staged()
    rename = Path.rename
    seen: list[dict[str, bytes]] = []

    def watch(source: Path, target: Path) -> Path:
        seen.append(place.game())
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", watch)
    staging.commit()
    assert [NEW.keys() - game.keys() for game in seen] == [{"version.ini"}]


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
