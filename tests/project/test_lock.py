"""The lock holds what pyproject.toml asks for: `just lock` was run after the last change of it."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = DECLARED["optional-dependencies"]


def locked(name: str) -> dict[str, str]:
    """Return name to version of what a lock holds."""
    text = (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("peer-cli", DECLARED["dependencies"]),
        ("dev", [*DECLARED["dependencies"], *EXTRAS["scenarios"], *EXTRAS["dev"]]),
    ],
)
def test_lock_holds_what_is_asked_for(name: str, wanted: list[str]) -> None:
    versions = locked(name)
    requirements = [Requirement(text) for text in wanted if not text.startswith("peer-cli[")]
    assert requirements
    for one in requirements:
        assert one.specifier.contains(versions[one.name.lower()]), one


def test_image_and_developers_have_the_same_versions() -> None:
    assert locked("peer-cli").items() <= locked("dev").items()


def test_every_locked_package_has_hashes() -> None:
    for name in ("peer-cli", "dev"):
        text = (PROJECT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        packages = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
        assert packages
        assert [package for package in packages if "--hash=sha256:" not in package] == []


def test_nothing_is_installed_without_its_hash() -> None:
    """Neither for developers and CI, which both use the launcher, nor in the images."""
    for name in ("justw", "Dockerfile"):
        text = (PROJECT / name).read_text(encoding="utf-8")
        taken = re.findall(r"(\S+) --requirement ", text)
        assert taken == ["--require-hashes"], name


def test_the_image_has_unrar_as_a_package() -> None:
    """So it has its record, and what looks for known faults finds it."""
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    [system] = re.findall(r"^FROM \$\{BASE\} AS system\n(RUN .*)$", text, re.MULTILINE)
    assert re.search(r"apt-get install [^&]*\bunrar\b", system)
    assert "/var/lib/dpkg" not in text
