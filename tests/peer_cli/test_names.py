import os
import random
from pathlib import Path, PurePosixPath

import pytest

from peer_cli.names import RESERVED_NAMES, check_game_id, check_served_path, resolve_served
from store.names import UnsafeName, check_relative_path, resolve_inside

HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "//server/share",
    "../x",
    "a/../b",
    "a/..",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "a\\b",
    "..\\x",
    "\\\\server\\share",
    "C:",
    "c:/x",
    "C:x",
    "a/D:/x",
    "a\0b",
    "a\nb",
    "a\x1b[31m",
    "a\x7f",
    "a\x85b",
    "a\udc80",
    "\ud800",
    "x" * 256,
    "é" * 128,
    "a/" + "x" * 256,
    "/".join(["x" * 200] * 11),
    "/".join(["d"] * 66),
    "/".join(["d"] * 1500),
]

HARMLESS = [
    "version.ini",
    "a/b/c.eti",
    "...",
    "..a",
    "a..",
    ".hidden",
    "a b",
    " a",
    "a.",
    "aux",
    "12:30.txt",
    "Part II: The End",
    "~root",
    "-rf",
    "*?<>|\"'",
    "x" * 255,
    "é" * 127,
    "/".join(["x" * 200] * 10),
    "/".join(["d"] * 65),
    "日本語/ファイル",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_by_every_check(name: str) -> None:
    for check in (check_relative_path, check_served_path, check_game_id):
        with pytest.raises(UnsafeName):
            check(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_names_stay_as_they_are(name: str) -> None:
    assert str(check_relative_path(name)) == name
    assert str(check_served_path(name)) == name


def test_names_keep_their_unicode_form() -> None:
    decomposed = "Poke\u0301mon"
    assert str(check_relative_path(decomposed)) == decomposed


@pytest.mark.parametrize("reserved", sorted(RESERVED_NAMES))
def test_reserved_names_are_refused_in_any_case(reserved: str) -> None:
    for name in (reserved, reserved.upper(), reserved.title(), reserved + "/x"):
        check_relative_path(name)
        with pytest.raises(UnsafeName, match="reserved"):
            check_served_path(name)


def test_reserved_names_are_case_folded_and_not_just_lowered() -> None:
    with pytest.raises(UnsafeName):
        check_served_path(".lan\u017fpread")  # the long s folds to s, but is lower case already


@pytest.mark.parametrize(
    "name",
    ["lo\u200ccal", "\ufefflocal", ".lanspread\u2064", "local.", "LOCAL .", "lo\U000e0041cal"],
)
def test_what_some_disk_takes_for_a_reserved_name_is_reserved(name: str) -> None:
    check_relative_path(name)
    with pytest.raises(UnsafeName, match="reserved"):
        check_served_path(f"{name}/x")


@pytest.mark.parametrize("name", ["sub/local", "localx", "version.ini.tmp", ".lanspread2"])
def test_only_the_first_part_and_the_whole_of_it_is_reserved(name: str) -> None:
    assert check_served_path(name) == PurePosixPath(name)


@pytest.mark.parametrize("game_id", ["a/b", ".hidden", "local", "LOCAL", ".lanspread"])
def test_game_ids_are_one_plain_part(game_id: str) -> None:
    with pytest.raises(UnsafeName):
        check_game_id(game_id)


def test_a_good_game_id_is_returned() -> None:
    assert check_game_id("bf1942") == "bf1942"


@pytest.mark.parametrize(
    ("name", "rule"),
    [("", "is empty"), ("/a", "is absolute"), ("a/../b", "has the part"), ("C:", "drive letter")],
)
def test_the_message_says_which_rule_is_broken(name: str, rule: str) -> None:
    with pytest.raises(UnsafeName, match=rule):
        check_relative_path(name)


def test_the_message_is_short_and_can_be_printed_on_a_terminal() -> None:
    with pytest.raises(UnsafeName, match="has a control character") as caught:
        check_relative_path("\x1b[2J" + "x" * 200)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
    with pytest.raises(UnsafeName) as caught:
        check_relative_path("\ud800")
    str(caught.value).encode()


def test_whatever_is_accepted_stays_below_its_folder() -> None:
    """Random names of dangerous pieces: those accepted stay inside, here and on Windows."""
    pieces = [
        "..",
        ".",
        "/",
        "\\",
        "C:",
        "a",
        "b.txt",
        "local",
        "\0",
        "\n",
        " ",
        "é",
        "\ud800",
        ":",
    ]
    dice = random.Random(20190317)
    accepted = 0
    for _ in range(20_000):
        text = "".join(dice.choices(pieces, k=dice.randint(1, 6)))
        try:
            path = check_relative_path(text)
        except UnsafeName:
            continue
        accepted += 1
        assert str(path) == text
        assert os.path.normpath(f"/root/{text}") == f"/root/{text}"
        assert not set(text) & {"\\", "\0", "\n", "\ud800"}
        assert all(
            part[1:2] != ":" or not part[0].isascii() or not part[0].isalpha()
            for part in path.parts
        )
    assert accepted > 500


def test_resolve_inside_follows_links_that_stay(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "link").symlink_to("real")
    (tmp_path / "elsewhere").symlink_to(root)
    assert resolve_inside(root, PurePosixPath("link/x/y")) == root / "real/x/y"
    assert resolve_inside(tmp_path / "elsewhere", PurePosixPath("a")) == root / "a"


@pytest.mark.parametrize(
    "target", ["/", "/etc/passwd", "..", "../root-neighbour", "sub/../../x", "second"]
)
def test_resolve_inside_refuses_links_that_leave(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "second").symlink_to("..")
    (root / "link").symlink_to(target)
    for name in ("link", "link/x", "link/x/y"):
        with pytest.raises(UnsafeName, match="through a link"):
            resolve_inside(root, PurePosixPath(name))


def test_resolve_inside_never_climbs(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    assert resolve_inside(root, PurePosixPath("real/..")) == root
    for name in ("..", "real/../.."):
        with pytest.raises(UnsafeName):
            resolve_inside(root, PurePosixPath(name))


def test_resolve_inside_ends_for_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    target = resolve_inside(tmp_path, PurePosixPath("a/x"))
    with pytest.raises(OSError, match="symbolic links"):
        target.open()


def test_resolve_served_refuses_links_to_what_is_reserved(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "secret").write_text("x")
    (tmp_path / "alias").symlink_to("local/secret")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "file").write_text("x")
    for name in ("alias", "self", "self/local/secret", "local/secret"):
        with pytest.raises(UnsafeName, match="never served"):
            resolve_served(tmp_path, PurePosixPath(name))
    assert resolve_served(tmp_path, PurePosixPath("self/file")) == tmp_path / "file"


def test_the_root_itself_is_inside_but_never_served(tmp_path: Path) -> None:
    assert resolve_inside(tmp_path, PurePosixPath()) == tmp_path
    (tmp_path / "back").symlink_to(".")
    for name in ("", "back", "back/back"):
        with pytest.raises(UnsafeName):
            resolve_served(tmp_path, PurePosixPath(name))
