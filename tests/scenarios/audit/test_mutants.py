"""The mutants fit the peer and the scenarios as they are now."""

from pathlib import Path

import pytest

from scenarios.audit.mutant import (
    Edit,
    Mutant,
    MutantError,
    make_programs,
    mutants_of,
    mutated,
    program_of,
)
from scenarios.core.always import GENERIC
from scenarios.family.discovery import discover, every_family
from scenarios.family.ids import sort_key

EVERY = [mutant for family in every_family() for mutant in mutants_of(family).values()]
HOW = "write one as mutants/__init__.py of its family says"
ALWAYS = {
    *(what for what, _ in GENERIC),
    "always: connect tells id and address",
    "always: no chunk finished twice",
    "always: finished bytes are the manifest's",
    "always: version.ini comes last",
    "always: no staging left",
    "always: no unfinished files left",
    "always: nothing beside the folders",
    "always: fixtures unchanged",
    "always: nothing stays mounted",
    "always: a mount does what it is asked",
    "always: all hold the same",
}


@pytest.mark.parametrize("mutant", EVERY, ids=lambda mutant: mutant.name)
def test_every_edit_applies_once(mutant: Mutant) -> None:
    packages = program_of(mutant).packages
    for path, text in mutated(mutant, packages).items():
        package, _, file = path.partition("/")
        (folder,) = (each for each in packages if each.name == package)
        assert text != (folder / file).read_text(), f"{mutant.name} changes nothing in {path}"
        compile(text, path, "exec")


def test_every_scenario_has_a_mutant() -> None:
    meant = {scenario for mutant in EVERY for scenario in mutant.noticed_by}
    lacking = sorted(discover(every_family()).keys() - meant, key=sort_key)
    assert not lacking, f"No mutant proves {', '.join(lacking)}: {HOW}."


def test_mutants_name_scenarios_and_checks_that_there_are() -> None:
    scenarios = discover(every_family())
    for mutant in EVERY:
        assert mutant.noticed_by, f"{mutant.name} names no scenario that notices it."
        letters = {scenario[:1] for scenario in mutant.noticed_by}
        assert letters == {mutant.letter}, f"{mutant.name} names scenarios of several families."
        for scenario, checks in mutant.noticed_by.items():
            assert scenario in scenarios, f"{mutant.name} names {scenario}, which is none."
            assert checks, f"{mutant.name} names no check of {scenario}."
            unknown = {what for what in checks if what.startswith("always: ")} - ALWAYS
            assert not unknown, f"{mutant.name} names always-on checks that are none: {unknown}"


def test_every_always_on_check_has_a_mutant() -> None:
    meant = {what for one in EVERY for checks in one.noticed_by.values() for what in checks}
    assert not ALWAYS - meant, f"No mutant is meant to turn red {sorted(ALWAYS - meant)}: {HOW}."


def edits(old: str, new: str = "new") -> Mutant:
    return Mutant("one", "Breaks it.", (Edit("a.py", old, new),), {"S1": ("what",)})


class TestEdits:
    @pytest.fixture
    def packages(self, tmp_path: Path) -> list[Path]:
        packages = [tmp_path / "project" / name for name in ("own", "shared")]
        for package in packages:
            package.mkdir(parents=True)
        (packages[0] / "a.py").write_text("once = 1\ntwice = 2\ntwice = 2\n")
        (packages[0] / "b.py").write_text("untouched = 1\n")
        return packages

    def test_a_peer_is_made_with_its_edits_alone(
        self, packages: list[Path], tmp_path: Path
    ) -> None:
        make_programs([edits("once = 1", "once = 3")], packages, tmp_path / "made")
        copy = tmp_path / "made" / "one" / "own"
        assert (copy / "a.py").read_text().startswith("once = 3\n")
        assert (copy / "b.py").read_text() == (packages[0] / "b.py").read_text()
        assert len(list((copy / "__pycache__").iterdir())) == 2
        assert [path.name for path in (tmp_path / "made").iterdir()] == ["one"]

    @pytest.mark.parametrize(("old", "told"), [("gone", "occurs 0 times"), ("twice", "2 times")])
    def test_an_edit_that_does_not_apply_once(
        self, packages: list[Path], old: str, told: str
    ) -> None:
        with pytest.raises(MutantError, match=told):
            mutated(edits(old), packages)

    def test_a_mutant_that_does_not_compile(self, packages: list[Path], tmp_path: Path) -> None:
        with pytest.raises(MutantError, match="one does not compile"):
            make_programs([edits("once = 1", "once =")], packages, tmp_path / "made")
