"""Each always-on check of the LAN family fails when it should, and only then."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from scenarios.families.lan_spread.always import (
    STAMP_TOLERANCE_S,
    finished_is_manifest,
    no_chunk_twice,
    nothing_staged,
    stamps,
    unchanged,
    version_file_last,
)
from scenarios.families.lan_spread.version_watch import Appearance
from tests.scenarios.families.lan_spread.recorded import (
    Said,
    begin,
    chunk,
    event,
    finished,
    manifest,
    progress,
    story,
    told,
)

ASKED = told(1.0, "download", game_id="g")
KNOWN = manifest(1.1, "g", archive=300, version=9)
BEGUN = [ASKED, KNOWN, begin(1.2, "g", 309), progress(1.2, "g", 0)]
PULLED = [
    *BEGUN,
    chunk(1.3, "g", "archive", 0, 200),
    chunk(1.4, "g", "archive", 200, 100),
    chunk(1.5, "g", "version", 0, 9),
]
WHOLE = [*PULLED, finished(1.7, "g", 309, 3)]


def replaced(said: list[Said], index: int, *new: Said) -> list[Said]:
    return [*said[:index], *new, *said[index + 1 :]]


# --- no chunk twice ------------------------------------------------------------------------------


def test_each_chunk_once_is_fine() -> None:
    assert no_chunk_twice(story(*WHOLE)) == []


def test_the_same_chunk_twice() -> None:
    [found] = no_chunk_twice(story(*BEGUN, PULLED[4], chunk(1.35, "g", "archive", 0, 200, "b")))
    assert "twice" in found
    assert "g/archive[0:200] from b:1" in found


def test_overlapping_chunks() -> None:
    assert no_chunk_twice(story(*PULLED, chunk(1.6, "g", "archive", 199, 1)))


def test_an_empty_file_twice() -> None:
    empty = chunk(1.3, "g", "empty", 0, 0)
    assert no_chunk_twice(story(*BEGUN, empty)) == []
    assert no_chunk_twice(story(*BEGUN, empty, empty))


def test_a_later_download_of_the_game_may_finish_the_same_chunks() -> None:
    assert no_chunk_twice(story(*WHOLE, *WHOLE)) == []


def test_a_refused_second_command_does_not_begin_a_new_download() -> None:
    assert no_chunk_twice(story(*PULLED, ASKED, PULLED[4]))


def test_a_chunk_outside_of_any_download() -> None:
    [found] = no_chunk_twice(story(*WHOLE, chunk(1.8, "g", "archive", 0, 200)))
    assert "no download that is under way" in found
    assert no_chunk_twice(story(chunk(1.8, "g", "archive", 0, 200)))


def test_a_stream_may_begin_again_from_another_source_only() -> None:
    asked = told(1.0, "stream-install", game_id="g")
    begun = [asked, begin(1.1, "g", 10), chunk(1.2, "g", ".local.installing/x", 0, 10, "a")]
    again = chunk(1.3, "g", ".local.installing/x", 0, 10, "b")
    assert no_chunk_twice(story(*begun, again)) == []
    assert no_chunk_twice(story(*begun, begun[2]))


# --- finished bytes = manifest bytes -------------------------------------------------------------


def test_finished_with_all_bytes_is_fine() -> None:
    assert finished_is_manifest(story(*WHOLE)) == []


@pytest.mark.parametrize(
    ("said", "containing"),
    [
        (replaced(WHOLE, 5), "200 of the 300 bytes of g/archive"),
        (replaced(WHOLE, 6), "nothing of the 9 bytes of g/version"),
        (replaced(WHOLE, 4, chunk(1.3, "g", "other", 0, 200)), "g/other, which the manifest lacks"),
        (replaced(WHOLE, 2, begin(1.2, "g", 308)), "download-begin said 308"),
        (replaced(WHOLE, 2), "download-begin said None"),
        (replaced(WHOLE, 7, finished(1.7, "g", 300, 3)), "throughput says 300"),
        (replaced(WHOLE, 7, finished(1.7, "g", 309, 2)), "throughput says 2"),
        (replaced(WHOLE, 7, event(1.7, "download-finished", game_id="g")), "throughput says None"),
        (replaced(WHOLE, 1), "without a manifest"),
    ],
)
def test_finished_with_other_bytes(said: list[Said], containing: str) -> None:
    assert containing in "\n".join(finished_is_manifest(story(*said)))


def test_a_download_that_did_not_finish_owes_nothing() -> None:
    failed = event(1.5, "download-failed", game_id="g", code="write-failed")
    assert finished_is_manifest(story(*BEGUN, PULLED[4], failed)) == []
    assert finished_is_manifest(story(*BEGUN, PULLED[4], ending="killed")) == []


def test_what_an_earlier_attempt_left_needs_no_chunk() -> None:
    resumed = replaced(replaced(WHOLE, 3, progress(1.2, "g", 200)), 4)
    assert finished_is_manifest(story(*resumed)) == []
    stranger = replaced(resumed, 4, chunk(1.4, "g", "other", 0, 100))
    assert finished_is_manifest(story(*stranger))


def test_of_a_stream_the_sums_are_compared() -> None:
    asked = told(1.0, "stream-install", game_id="g")
    entry = chunk(1.2, "g", ".local.installing/x", 0, 10)
    good = [asked, begin(1.1, "g", 10), entry, finished(1.3, "g", 10, 1)]
    assert finished_is_manifest(story(*good)) == []
    assert finished_is_manifest(story(*replaced(good, 3, finished(1.3, "g", 11, 1))))
    assert finished_is_manifest(story(*replaced(good, 1, begin(1.1, "g", 11))))


def test_of_a_stream_that_began_again_the_last_attempt_counts() -> None:
    lost = chunk(1.2, "g", ".local.installing/x", 0, 10, who="a")
    again = chunk(1.4, "g", ".local.installing/x", 0, 10, who="b")
    asked = told(1.0, "stream-install", game_id="g")
    good = [asked, begin(1.1, "g", 10), lost, begin(1.3, "g", 10), again]
    assert finished_is_manifest(story(*good, finished(1.5, "g", 10, 1))) == []
    assert finished_is_manifest(story(*good, finished(1.5, "g", 20, 2)))


# --- version.ini comes last ----------------------------------------------------------------------


def seen(*walls: float, game_id: str = "g") -> list[Appearance]:
    return [Appearance(game_id, wall) for wall in walls]


@pytest.mark.parametrize("wall", [1.5 - STAMP_TOLERANCE_S / 2, 1.51, 1.6, 1.75])
def test_version_file_after_the_last_byte_is_fine(wall: float) -> None:
    # 1.75: it is noticed after `download-finished` has been read.
    assert version_file_last(story(*WHOLE), seen(wall)) == []


@pytest.mark.parametrize(
    ("wall", "verified"), [(1.05, 0), (1.15, 0), (1.35, 200), (1.5 - 2 * STAMP_TOLERANCE_S, 300)]
)
def test_version_file_too_early(wall: float, verified: int) -> None:
    [found] = version_file_last(story(*WHOLE), seen(wall))
    assert f"{verified} of 309 bytes" in found


def test_version_file_early_and_again_in_time() -> None:
    assert version_file_last(story(*WHOLE), seen(1.35, 1.6))


def test_version_file_early_in_a_peer_that_was_killed() -> None:
    assert version_file_last(story(*BEGUN, PULLED[4], ending="killed"), seen(1.35))
    # Killed between commit and event.
    assert version_file_last(story(*PULLED, ending="killed"), seen(1.6)) == []


def test_version_file_before_the_manifest() -> None:
    assert version_file_last(story(ASKED, ending="killed"), seen(1.05))


def test_version_file_of_a_failed_download() -> None:
    failed = event(1.6, "download-failed", game_id="g", code="no-usable-source")
    [found] = version_file_last(story(*BEGUN, PULLED[4], failed), seen(1.55))
    assert "download-failed" in found
    # Whatever is dropped there later is not of that download.
    assert version_file_last(story(*BEGUN, PULLED[4], failed), seen(1.66)) == []


def test_version_file_of_a_download_soon_after_a_failed_one() -> None:
    def soon(said: Said) -> Said:
        at, stream, message = said
        at = 1.6 + (at - 1) / 10
        return at, stream, {**message, "ts": at}

    failed = event(1.59, "download-peers-gone", game_id="g")
    both = story(*BEGUN, failed, *(soon(said) for said in WHOLE))
    assert version_file_last(both, seen(1.645)) == []
    [found] = version_file_last(both, seen(1.61, 1.645))
    assert "0 of 309 bytes" in found


def test_version_file_never_seen_proves_nothing() -> None:
    [found] = version_file_last(story(*WHOLE), [])
    assert "never seen" in found
    assert version_file_last(story(*WHOLE), seen(1.6, game_id="other"))


def test_version_file_of_two_downloads_of_one_game() -> None:
    def later(said: Said) -> Said:
        at, stream, message = said
        return at + 10, stream, {**message, "ts": at + 10}

    twice = story(*WHOLE, *(later(said) for said in WHOLE))
    assert version_file_last(twice, seen(1.6, 11.6)) == []
    assert version_file_last(twice, seen(1.6, 11.3))
    assert version_file_last(twice, seen(1.6))


def test_version_file_of_a_stream() -> None:
    asked = told(1.0, "stream-install", game_id="g")
    done = [asked, begin(1.1, "g", 0), finished(1.3, "g", 0, 0)]
    assert version_file_last(story(*done), []) == []
    assert version_file_last(story(*done), seen(1.2))


def test_version_file_of_a_download_after_a_stream() -> None:
    asked = told(0.1, "stream-install", game_id="g")
    streamed = [asked, begin(0.2, "g", 0), finished(0.3, "g", 0, 0)]
    assert version_file_last(story(*streamed, *WHOLE), seen(1.6)) == []
    assert version_file_last(story(*streamed, *WHOLE), seen(0.3, 1.6))


def test_version_file_dropped_by_the_scenario() -> None:
    assert version_file_last(story(event(1.0, "local-peer-ready")), seen(1.2)) == []


def test_nonsense_is_no_crash() -> None:
    nonsense: list[dict[str, Any]] = [
        {"cmd": "download"},
        {"cmd": ["download"], "game_id": 3},
        {"type": "event", "event": "got-game-files", "data": {"game_id": "g"}},
        {"type": "event", "event": "download-finished", "data": {"game_id": "g", "throughput": 1}},
    ]
    lines = story(ASKED, *((2.0, "in" if "cmd" in one else "out", one) for one in nonsense))
    assert no_chunk_twice(lines) == []
    assert finished_is_manifest(lines)
    assert version_file_last(lines, seen(1.5))


# --- staging and fixtures ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["g/.lanspread", "g/.local.installing", "g/.local.backup", ".lanspread.json"]
)
def test_something_is_staged(name: str) -> None:
    [found] = nothing_staged("client", None, ["g", "g/version.ini", name])
    assert f"client left {name} behind" in found


def test_nothing_is_staged() -> None:
    names = ["g", "g/version.ini", "g/local", "g/local/.lanspread", "g/local/x/.local.backup"]
    assert nothing_staged("client", None, names) == []


def test_an_untouched_folder_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "a").write_text("a")
    before = stamps(tmp_path)
    (tmp_path / "g" / "a").read_text()
    (tmp_path / "g" / "probe").touch()
    (tmp_path / "g" / "probe").unlink()
    assert unchanged("fixture", before, stamps(tmp_path)) == []


@pytest.mark.parametrize("change", ["write", "write and hide it", "remove", "add", "chmod", "link"])
def test_a_changed_folder(tmp_path: Path, change: str) -> None:
    file = tmp_path / "g" / "a"
    file.parent.mkdir()
    file.write_text("a")
    before = stamps(tmp_path)
    wait_for_the_clock_of(tmp_path)
    match change:
        case "write":
            file.write_text("b")
        case "write and hide it":
            status = file.stat()
            file.write_text("b")
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        case "remove":
            file.unlink()
        case "add":
            file.with_name("b").touch()
        case "chmod":
            file.parent.chmod(0o700)
        case "link":
            file.unlink()
            file.symlink_to("b")
    [found] = unchanged("fixture", before, stamps(tmp_path))
    assert found.startswith("fixture/g")


def wait_for_the_clock_of(folder: Path) -> None:
    """Return when a file changed now would get another time than one changed before."""
    probe = folder.parent / f"{folder.name}-clock"
    probe.touch()
    first = probe.stat().st_ctime_ns
    deadline = time.monotonic() + 5
    while probe.stat().st_ctime_ns == first and time.monotonic() < deadline:
        probe.touch()
