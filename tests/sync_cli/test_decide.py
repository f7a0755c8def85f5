"""Decisions, against a model: three peers, two paths, any order of edits and exchanges."""

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_cli.decide import (
    Verdict,
    clamped,
    conflict_copy,
    conflict_path,
    is_conflict_copy,
    joined,
    judge,
)
from sync_cli.model import (
    BadEntry,
    Entry,
    Kind,
    advanced,
    check_entry,
    check_path,
    includes,
    merged,
    path_bytes,
    path_text,
)

PATHS = (b"one", b"two.txt")

# An edit: by whom, of which path or conflict copy, to what (None deletes), when. Or who takes from
# whom.
Step: TypeAlias = tuple[str, bytes | int, bytes | None, int] | tuple[str, str]


@dataclass
class Model:
    """A peer without a disk: what it has at each path. A number of each index is used once."""

    name: str
    entries: dict[bytes, Entry] = field(default_factory=dict)
    sequence: int = 0
    kept: set[bytes] = field(default_factory=set)

    def edit(self, path: bytes, content: bytes | None, time: int) -> None:
        ours = self.entries.get(path)
        self.sequence += 1
        version = advanced(ours.version if ours else (), self.name, self.sequence)
        self.entries[path] = Entry(
            path=path,
            kind=Kind.GONE if content is None else Kind.FILE,
            version=version,
            maker=self.name,
            made=self.sequence,
            author=self.name * 7,
            edited_ns=time,
            size=len(content or b""),
            hash=b"" if content is None else blake3(content).digest(),
        )

    def path(self, chosen: bytes | int) -> bytes:
        """Return one of the two paths, or one of the conflict copies that are here."""
        if isinstance(chosen, bytes):
            return chosen
        copies = [path for path in sorted(self.visible()) if path not in PATHS] or [PATHS[0]]
        return copies[chosen % len(copies)]

    def take(self, other: "Model") -> bool:
        """Take all that another has, at once, as a folder does with what it knows of it."""
        changed = False
        for path, theirs in list(other.entries.items()):
            ours = self.entries.get(path)
            verdict = judge(ours, theirs)
            if verdict is Verdict.KEEP:
                continue
            changed = True
            if verdict is Verdict.CONFLICT:
                assert ours is not None
                copy = conflict_copy(ours)
                known = self.entries.get(copy.path)
                if known is not None and includes(known.version, copy.version):
                    pass  # it was made already
                elif is_conflict_copy(path) or known is not None:
                    self.kept.add(ours.hash)
                else:
                    self.entries[copy.path] = copy
            self.entries[path] = joined(ours, theirs)
        return changed

    def visible(self) -> dict[bytes, bytes]:
        return {path: entry.hash for path, entry in self.entries.items() if entry.alive}


edits = st.tuples(
    st.sampled_from("abc"),
    st.one_of(st.sampled_from(PATHS), st.integers(0, 3)),
    st.one_of(st.none(), st.binary(min_size=1, max_size=1)),
    st.integers(0, 3),
)
exchanges = st.tuples(st.sampled_from("abc"), st.sampled_from("abc"))


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.one_of(edits, exchanges), max_size=25))
def test_three_peers_lose_no_edit_and_converge(steps: list[Step]) -> None:
    present, shown, alive, superseded = _end_of(steps)
    assert alive - superseded <= present, "an edit is lost"
    assert not shown & superseded, "what was replaced or deleted is back under its name"


def test_who_was_away_from_two_deletions_brings_back_neither_content() -> None:
    steps: list[Step] = [
        ("a", PATHS[0], b"x", 2),
        ("b", PATHS[0], b"x", 0),
        ("c", "b"),
        ("c", PATHS[0], b"x", 1),  # replaces b's
        ("c", "a"),  # a's wins against c's, and a deletes it
        ("a", PATHS[0], None, 0),
    ]
    _, shown, _, _ = _end_of(steps)
    assert shown == {None}


def _end_of(
    steps: list[Step],
) -> tuple[set[bytes], set[bytes | None], set[bytes], set[bytes]]:
    """Return the hashes that are there at the end, those under the two names, all, and the old."""
    peers = {name: Model(name) for name in "abc"}
    alive: set[bytes] = set()
    superseded: set[bytes] = set()
    for number, step in enumerate(steps):
        if len(step) == 2:
            peers[step[0]].take(peers[step[1]])
            continue
        name, chosen, content, time = step
        path = peers[name].path(chosen)
        before = peers[name].visible().get(path)
        if content is None and before is None:
            continue
        if before is not None:
            superseded.add(before)
        unique = None if content is None else content + bytes([number])
        peers[name].edit(path, unique, time)
        if unique is not None:
            alive.add(blake3(unique).digest())
    for _ in range(20):
        if not sum(one.take(other) for one in peers.values() for other in peers.values()):
            break
    else:
        pytest.fail("they never come to an end")
    assert all(peer.entries == peers["a"].entries for peer in peers.values())
    visible = peers["a"].visible()
    present = set(visible.values()).union(*(peer.kept for peer in peers.values()))
    return present, {visible.get(path) for path in PATHS}, alive, superseded


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(edits, exchanges), max_size=25))
def test_one_side_of_a_conflict_always_waits_for_the_other(
    steps: list[Step],
) -> None:
    peers = {name: Model(name) for name in "abc"}
    for step in steps:
        if len(step) == 2:
            peers[step[0]].take(peers[step[1]])
        else:
            name, chosen, content, time = step
            peers[name].edit(peers[name].path(chosen), content, time)
    for path in PATHS:
        for one in peers.values():
            for other in peers.values():
                ours, theirs = one.entries.get(path), other.entries.get(path)
                if ours is None or theirs is None or ours == theirs:
                    continue
                verdicts = {judge(ours, theirs), judge(theirs, ours)}
                if not ours.same_content(theirs):
                    assert verdicts > {Verdict.KEEP}


def an_entry(**changes: object) -> Entry:
    entry = Entry(
        path=b"d/notes.txt",
        kind=Kind.FILE,
        version=(("a", 3),),
        maker="a",
        made=3,
        author="abcdefghijk",
        edited_ns=1_772_046_425_000_000_007,
        size=1,
        hash=bytes(32),
    )
    return msgspec.structs.replace(entry, **changes)


def test_the_name_of_a_conflict_copy() -> None:
    path = conflict_path(an_entry())
    assert path == b"d/notes.sync-conflict-20260225-190705-000000007-abcdefg.txt"
    assert is_conflict_copy(path)
    assert conflict_path(an_entry(path=b".rc")).startswith(b".rc.sync-conflict-")
    assert conflict_path(an_entry(path=b"a.tar.gz")).endswith(b"-abcdefg.gz")


@pytest.mark.parametrize("name", [b"x" * 255, "ä".encode() * 127, b"n." + b"e" * 253])
def test_the_name_of_a_conflict_copy_fits_on_a_disk(name: bytes) -> None:
    path = conflict_path(an_entry(path=name))
    check_path(path)
    assert is_conflict_copy(path)
    path.decode()


def test_times_ahead_of_the_clock_count_as_one_minute_ahead() -> None:
    assert clamped(-5, 100) == 0
    assert clamped(10**18, 100) == 100 + 60 * 10**9


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_every_path_has_a_text_and_is_found_by_it(path: bytes) -> None:
    assert path_bytes(path_text(path)) == path


vectors = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5)).map(
    lambda numbers: tuple(sorted(numbers.items()))
)


@given(vectors, vectors)
def test_a_merged_vector_includes_both(
    one: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]
) -> None:
    both = merged(one, other)
    assert includes(both, one)
    assert includes(both, other)
    assert both == merged(other, one)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": b""},
        {"path": b"/etc/passwd"},
        {"path": b"a/../b"},
        {"path": b"a//b"},
        {"path": b"a\0b"},
        {"path": b".sync/marker"},
        {"path": b".SYNC"},
        {"path": b"x" * 256},
        {"version": ()},
        {"version": (("b", 1), ("a", 3))},
        {"version": (("a", 2),)},
        {"version": (("a", 1 << 64),)},
        {"made": 0},
        {"hash": b"short"},
        {"size": -1},
        {"size": 5 * 1024 * 1024},
        {"blocks": bytes(32)},
        {"target": b"x"},
        {"kind": Kind.LINK, "size": 0},
        {"kind": Kind.FOLDER},
    ],
)
def test_bad_entries_are_refused(changes: dict[str, object]) -> None:
    check_entry(an_entry())
    with pytest.raises(BadEntry):
        check_entry(an_entry(**changes))
