"""The checker and the trees: each check passes, fails and is on record."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from scenarios.core.checks import Checks
from scenarios.core.errors import CheckFailed
from scenarios.core.scene import Finding, Scene, findings_of
from scenarios.core.trees import differences, tree


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "scene")


def fail_with(text: str) -> Callable[[], None]:
    def action() -> None:
        raise ValueError(text)

    return action


LONG = ["x" * 100]
GOOD: list[Callable[[Checks], None]] = [
    lambda check: check.true("w", [1]),
    lambda check: check.equal("w", {1}, {1}),
    lambda check: check.contains("w", [1, 2], 2),
    lambda check: check.excludes("w", [1, 2], 3),
    lambda check: check.between("w", 2, 1, 3),
]
BAD: list[tuple[Callable[[Checks], None], str]] = [
    (lambda check: check.true("w", [], "nothing there"), "w: nothing there"),
    (lambda check: check.true("w", 0), "got 0"),
    (lambda check: check.equal("w", 1, 2), "got 1, wanted 2"),
    (lambda check: check.equal("w", {1, 2}, {2, 3}), r"got \{1, 2\}, wanted \{2, 3\}"),
    (lambda check: check.equal("w", [*LONG, 1], [*LONG, 2]), r"w: \n  \[1\]: got 1, wanted 2$"),
    (lambda check: check.contains("w", [1, 2], 3), "3 is not in"),
    (lambda check: check.excludes("w", [1, 2], 2), "2 is in"),
    (lambda check: check.between("w", 4, 1, 3), "got 4, wanted 1 to 3"),
]


@pytest.mark.parametrize("good", GOOD)
def test_a_check_that_holds(scene: Scene, good: Callable[[Checks], None]) -> None:
    good(Checks(scene))
    (result,) = scene.checks
    assert (result.what, result.kind, result.passed, result.cause) == ("w", "check", True, None)


@pytest.mark.parametrize(("bad", "text"), BAD)
def test_a_check_that_does_not(scene: Scene, bad: Callable[[Checks], None], text: str) -> None:
    with pytest.raises(CheckFailed, match=text):
        bad(Checks(scene))
    (result,) = scene.checks
    assert (result.what, result.passed, result.cause) == ("w", False, "check")


def test_text_that_no_file_takes_is_recorded_all_the_same(scene: Scene) -> None:
    with pytest.raises(CheckFailed):
        Checks(scene).true("w", False, "\ud800")


@pytest.fixture
def game(tmp_path: Path) -> Path:
    root = tmp_path / "game"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "version.ini").write_bytes(b"1")
    (root / "deep" / "er" / "file").write_bytes(b"content")
    (root / "link").symlink_to("version.ini")
    return root


class TestTrees:
    def test_kinds_sizes_and_digests(self, game: Path) -> None:
        os.mkfifo(game / "pipe")
        found = tree(game)
        assert {name: (entry.kind, entry.size) for name, entry in found.items()} == {
            "deep": ("folder", 0),
            "deep/er": ("folder", 0),
            "deep/er/file": ("file", 7),
            "link": ("link", 0),
            "pipe": ("other", 0),
            "version.ini": ("file", 1),
        }
        assert found["link"].digest == "version.ini"
        # b3sum of "1"
        assert found["version.ini"].digest.startswith("d63bd9a826af91c1")

    def test_what_is_ignored_is_not_entered(self, game: Path) -> None:
        asked: list[PurePosixPath] = []

        def ignore(path: PurePosixPath) -> bool:
            asked.append(path)
            return path.parts[0] == "deep"

        assert set(tree(game, ignore)) == {"link", "version.ini"}
        assert PurePosixPath("deep/er") not in asked

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda root: (root / "version.ini").unlink(), "version.ini is missing"),
            (lambda root: (root / "more").mkdir(), "more should not be there"),
            (
                lambda root: (root / "version.ini").write_bytes(b"2"),
                "version.ini has other content",
            ),
            (lambda root: (root / "version.ini").write_bytes(b"11"), "version.ini has 2 bytes"),
            (
                lambda root: ((root / "link").unlink(), (root / "link").write_bytes(b"1")),
                "link is a file of 1 bytes",
            ),
            (
                lambda root: ((root / "link").unlink(), (root / "link").symlink_to("deep")),
                "link has other content",
            ),
        ],
    )
    def test_each_difference_has_its_name(
        self, scene: Scene, game: Path, change: Callable[[Path], object], text: str
    ) -> None:
        before = tree(game)
        assert differences(tree(game), before) == []
        change(game)
        (found,) = differences(tree(game), before)
        assert text in found
        with pytest.raises(CheckFailed, match=text):
            Checks(scene).same_tree("w", tree(game), before)

    def test_same_files(self, scene: Scene, game: Path, tmp_path: Path) -> None:
        check = Checks(scene)
        check.same_files("w", game, game)
        with pytest.raises(CheckFailed, match=r"there is no folder .*nothing"):
            check.same_files("w", tmp_path / "nothing", game)
        (tmp_path / "empty").mkdir()
        with pytest.raises(CheckFailed, match="proves nothing"):
            check.same_files("w", tmp_path / "empty", tmp_path / "empty")


def test_a_broken_rule_is_recorded_with_its_node_and_line(scene: Scene) -> None:
    found = findings_of("alpha", ["still runs", Finding("line 2", "alpha.jsonl:2")])
    assert not Checks(scene).always("always: x", found)
    (result,) = scene.checks
    assert (result.node, result.found_at) == ("alpha", "alpha.jsonl:2")
    assert result.detail == "still runs\n  line 2"
