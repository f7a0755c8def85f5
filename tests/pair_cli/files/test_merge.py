"""The tree that both sides keep: whatever happens, they come to the same."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pair_cli.files.merge import merge
from pair_cli.files.tree import Entry, Tree
from pair_cli.files.wire import Announce, Change
from pair_cli.wire import ProtocolError

ROOTS = [bytes([number]) * 32 for number in range(4)]
PATHS = ["a", "b", "d", "d/x", "d/y", "d/z/w"]
OPERATIONS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["put", "put", "remove", "rename", "tell", "tell some", "forget"]),
        st.sampled_from(PATHS),
        st.sampled_from(PATHS),
        st.integers(0, 3),
    ),
    max_size=40,
)


class Side:
    def __init__(self, home: Path, name: str) -> None:
        self.tree = Tree(home / name, lambda: None)
        self.name = name

    def put(self, path: str, root: bytes) -> None:
        self.tree.publish([Entry(path, size=1, root=root, disk=path)], b"")

    def remove(self, path: str) -> None:
        entry = self.tree.get(path)
        if entry is not None:
            self.tree.publish([replace(entry, live=False, root=b"", disk="")])

    def rename(self, path: str, to: str) -> None:
        entry = self.tree.get(path)
        if entry is not None and path != to:
            gone = Entry(path, live=False, moved=to)
            self.tree.publish([replace(entry, path=to, moved=path), gone])

    def tell(self, other: "Side", *, all_of_it: bool) -> None:
        """Announce what the other has not heard, once or until there is no more."""
        while True:
            journal, upto = other.tree.heard()
            after = upto if journal == self.tree.journal else 0
            if journal != self.tree.journal:
                other.tree.set_heard_now(self.tree.journal, 0)
            now, changes = self.tree.unheard(after)
            if not changes:
                return
            merge(
                other.tree,
                self.tree.journal,
                Announce(after, now, changes),
                other_wins_ties=self.name < other.name,
            )
            if not all_of_it:
                return

    def sees(self) -> dict[str, tuple[bool, bool, bytes]]:
        alpha = self.name == "alpha"
        return {
            entry.path: (entry.mine == alpha, entry.folder, entry.root)
            for entry in self.tree.below("")
        }


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=OPERATIONS)
def test_both_come_to_the_same_tree(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[int, str, str, str, int]]
) -> None:
    home = tmp_path_factory.mktemp("trees")
    sides = Side(home, "alpha"), Side(home, "bravo")
    for number, what, path, to, root in operations:
        side, other = sides[number], sides[1 - number]
        match what:
            case "put":
                side.put(path, ROOTS[root])
            case "remove":
                side.remove(path)
            case "rename":
                side.rename(path, to)
            case "tell" | "tell some":
                side.tell(other, all_of_it=what == "tell")
            case "forget":
                side.tree.renumber()  # as after a power cut that took the end of the journal
    for _ in range(3):  # answers to renames of what is no longer there
        for side, other in (sides, sides[::-1]):
            side.tell(other, all_of_it=True)
    assert sides[0].sees() == sides[1].sees()
    for side in sides:
        for entry in side.tree.below(""):
            assert bool(entry.disk) == (entry.mine and not entry.folder), entry
        side.tree.close()


def test_children_are_exactly_what_is_there(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", lambda: None)
    dice = random.Random(1)
    names = ["a", "a-b", "a.b", "a0", "b", "é", "\U0001f600"]
    paths = {"/".join(dice.choices(names, k=dice.randrange(1, 4))) for _ in range(60)}
    paths = {path for path in paths if not any(f"{path}/" in other for other in paths)}
    tree.publish([Entry(path, root=ROOTS[0]) for path in sorted(paths)])
    folders = {""} | {path.rpartition("/")[0] for path in paths}
    folders |= {folder.rpartition("/")[0] for folder in folders}
    for folder in folders:
        start = f"{folder}/" if folder else ""
        wanted = {path[len(start) :].split("/")[0] for path in paths if path.startswith(start)}
        assert set(tree.children(folder)) == wanted
        assert tree.is_folder(folder)
    assert not tree.is_folder("nothing")


def change(path: str = "a", **fields: object) -> Change:
    given = {
        "live": True, "folder": False, "yours": False, "size": 1, "mtime_ns": 0, "mode": 0o644,
        "root": ROOTS[0], "clock": 1, "moved": "", **fields,
    }  # fmt: skip
    return Change(path, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        {"size": -1},
        {"size": 1 << 51},
        {"clock": 0},
        {"clock": (1 << 62) + 1},
        {"mode": 0o4755},
        {"root": b"short"},
        {"mtime_ns": 1 << 63},
    ],
)
def test_impossible_changes_end_the_connection(tmp_path: Path, bad: dict[str, object]) -> None:
    tree = Tree(tmp_path / "tree", lambda: None)
    announce = Announce(0, 2, [change("good"), change("bad", **bad)])
    with pytest.raises(ProtocolError):
        merge(tree, b"j", announce, other_wins_ties=True)
    assert list(tree.below("")) == []


@pytest.mark.parametrize(
    "name",
    ["../a", "/a", "a/../b", "", "a//b", "a\\b", "C:x", "a\nb", "x" * 256, "a/" * 70 + "a",
     ".pair-cli/a", ".Pair-CLI"],
)  # fmt: skip
def test_hostile_names_are_left_out_and_reported(tmp_path: Path, name: str) -> None:
    tree = Tree(tmp_path / "tree", lambda: None)
    announce = Announce(0, 2, [change(name), change("good")])
    news = merge(tree, b"j", announce, other_wins_ties=True)
    assert [one.kind for one in news] == ["refused", "announced"]
    assert [entry.path for entry in tree.below("")] == ["good"]


def test_missing_announcements_are_found_out(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree", lambda: None)
    with pytest.raises(ProtocolError):
        merge(tree, b"j", Announce(5, 6, [change()]), other_wins_ties=True)
