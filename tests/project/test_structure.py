"""How the code is divided: who may import whom, how long a module may be, who knows which words."""

import re
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

PROJECT = Path(__file__).parents[2]
PACKAGES = (
    "headless", "network", "store", "pair_cli", "peer_cli", "sync_cli", "tunnel_cli", "scenarios",
    "fixtures", "benchmarks",
)  # fmt: skip
LONGEST_MODULE = 400
# The rooms of the runner that serve all families alike.
ROOMS = (
    "core", "running", "results", "terminal", "report", "audit", "images", "command", "live",
    "family",
)  # fmt: skip
OF_ONE_FAMILY = re.compile(
    r"lan_spread|pair_cli|peer_cli|sync_cli|tunnel_cli|\bgames?\b|game_|peer_id"
)


def modules(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((PROJECT / folder).rglob("*.py"))]


def test_nothing_is_imported_upward_or_in_a_circle(capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_imports(config_filename=str(PROJECT / ".importlinter"), no_cache=True)
    assert code == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_module_is_too_long_to_be_read() -> None:
    found = {}
    scripts = [
        file
        for folder in ("examples", "scenarios")
        for file in sorted((PROJECT / folder).rglob("*"))
        if file.suffix in (".js", ".mjs")
    ]
    assert scripts
    for file in [*modules(*PACKAGES, "examples", "tests"), *scripts]:
        name = str(file.relative_to(PROJECT))
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_MODULE:
            found[name] = lines
    assert not found, f"more than {LONGEST_MODULE} lines; split by concept: {found}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_for_all_families_knows_the_words_of_none(room: str) -> None:
    folder = PROJECT / "scenarios" / room
    files = [path for path in folder.rglob("*") if path.suffix in (".py", ".js", ".html", ".css")]
    found = [
        f"{file.relative_to(PROJECT)}:{number}: {line.strip()}"
        for file in sorted(files)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if OF_ONE_FAMILY.search(line)
    ]
    assert files
    assert not found, "\n".join(found)
