"""The mutants fit the peer and the scenarios as they are now."""

from pathlib import Path

import pytest

from scenarios.audit.mutant import Edit, Mutant, MutantError, every_mutant, make_peers, mutated
from scenarios.core.always import GENERIC
from scenarios.discovery import discover
from scenarios.ids import sort_key
from scenarios.run import ROOT

PEER = ROOT / "peer_cli"
EVERY = [mutant for theme in every_mutant().values() for mutant in theme]
HOW = "write one as scenarios/mutants/__init__.py says"
ALWAYS = {
    *(what for what, _ in GENERIC),
    "always: connect tells id and address",
    "always: no chunk finished twice",
    "always: finished bytes are the manifest's",
    "always: version.ini comes last",
    "always: no staging left",
    "always: fixtures unchanged",
}


@pytest.mark.parametrize("mutant", EVERY, ids=lambda mutant: mutant.name)
def test_every_edit_applies_once(mutant: Mutant) -> None:
    for path, text in mutated(mutant, PEER).items():
        assert text != (PEER / path).read_text(), f"{mutant.name} changes nothing in {path}"
        compile(text, path, "exec")


def test_every_scenario_has_a_mutant() -> None:
    meant = {scenario for mutant in EVERY for scenario in mutant.noticed_by}
    lacking = sorted(discover().keys() - meant, key=sort_key)
    assert not lacking, f"No mutant proves {', '.join(lacking)}: {HOW}."


def test_mutants_name_scenarios_and_checks_that_there_are() -> None:
    scenarios = discover()
    for mutant in EVERY:
        assert mutant.noticed_by, f"{mutant.name} names no scenario that notices it."
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
    def peer(self, tmp_path: Path) -> Path:
        peer = tmp_path / "peer_cli"
        peer.mkdir()
        (peer / "a.py").write_text("once = 1\ntwice = 2\ntwice = 2\n")
        (peer / "b.py").write_text("untouched = 1\n")
        return peer

    def test_a_peer_is_made_with_its_edits_alone(self, peer: Path, tmp_path: Path) -> None:
        make_peers([edits("once = 1", "once = 3")], peer, tmp_path / "peers")
        copy = tmp_path / "peers" / "one" / "peer_cli"
        assert (copy / "a.py").read_text().startswith("once = 3\n")
        assert (copy / "b.py").read_text() == (peer / "b.py").read_text()
        assert len(list((copy / "__pycache__").iterdir())) == 2
        assert [path.name for path in (tmp_path / "peers").iterdir()] == ["one"]

    @pytest.mark.parametrize(("old", "told"), [("gone", "occurs 0 times"), ("twice", "2 times")])
    def test_an_edit_that_does_not_apply_once(self, peer: Path, old: str, told: str) -> None:
        with pytest.raises(MutantError, match=told):
            mutated(edits(old), peer)

    def test_a_mutant_that_does_not_compile(self, peer: Path, tmp_path: Path) -> None:
        with pytest.raises(MutantError, match="one does not compile"):
            make_peers([edits("once = 1", "once =")], peer, tmp_path / "peers")
