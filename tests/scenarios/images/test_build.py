"""The parts of the image's making that need no Docker engine."""

import io
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from scenarios.family.discovery import every_family
from scenarios.images import build
from scenarios.images.base import BaseImageError, made_name
from scenarios.images.build import MAKE_BASE_VARIABLE, ImageError
from scenarios.root import ROOT


def test_context_is_what_the_dockerfile_copies_and_nothing_else() -> None:
    files = build.context_files(ROOT)
    assert {
        "Dockerfile",
        "requirements/peer-cli.txt",
        "fixtures/lan_spread/catalog.py",
        "fixtures/lan_spread/catalog.json",
    } <= set(files)
    assert "peer_cli/rar_writer.py" in files
    packages = (
        *("headless/", "network/", "store/", "pair_cli/", "peer_cli/", "sync_cli/", "tunnel_cli/"),
        "fixtures/lan_spread/catalog.",
    )
    expected = (*packages, "Dockerfile", "requirements/peer-cli.txt", ".dockerignore")
    assert [path for path in files if not path.startswith(expected)] == []
    assert [path for path in files if "__pycache__" in path] == []


def test_hash_follows_every_path_and_content() -> None:
    files = {"a": b"1", "b": b"2"}
    same = build.inputs_hash({"b": b"2", "a": b"1"})
    assert build.inputs_hash(files) == same
    others = [{"a": b"1", "b": b"3"}, {"a": b"1", "c": b"2"}, {"a": b"1"}, {"a": b"1b 1\n2"}]
    assert same not in {build.inputs_hash(other) for other in others}


def test_context_tar_holds_the_files_and_is_reproducible() -> None:
    files = {"peer_cli/x.py": b"x", "Dockerfile": b"FROM a\n"}
    packed = build.context_tar(files)
    assert packed == build.context_tar(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        read = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        assert {name: data.read() for name, data in read.items() if data} == files


class Unreachable:
    """An engine that has no image and reaches no registry."""

    images: "Unreachable"

    def __init__(self) -> None:
        self.images = self

    def get(self, name: str) -> None:
        raise ImageNotFound(name)

    def pull(self, name: str) -> None:
        raise APIError("no route to host")


def test_a_base_image_is_not_made_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(build, "make_base_image", lambda _, name, **rest: made.append(name))
    engine: Any = Unreachable()
    name = build.base_image((ROOT / "Dockerfile").read_text())
    with pytest.raises(ImageError, match=r"cannot be pulled .* peer-cli-image --make-base"):
        build._ensure_base(engine, name, print, may_make=False)
    assert made == []
    assert build._ensure_base(engine, name, print, may_make=True) == made[0]


@pytest.mark.parametrize(
    ("environment", "may"),
    [({}, False), ({"CI": "true"}, True), ({"CI": ""}, False), ({MAKE_BASE_VARIABLE: "1"}, True)],
)
def test_where_a_base_image_may_be_made_unasked(environment: dict[str, str], may: bool) -> None:
    assert build.may_make_base(environment) is may


DIGEST = "sha256:" + "0" * 64


def test_base_image_is_what_the_dockerfile_names() -> None:
    assert (
        build.base_image("ARG BASE=debian:bookworm-slim\nFROM ${BASE}\n") == "debian:bookworm-slim"
    )


def test_dockerfile_without_base_is_refused() -> None:
    with pytest.raises(ImageError, match="no line ARG BASE"):
        build.base_image("FROM debian:bookworm-slim\n")


def test_base_of_our_dockerfile_is_pinned_and_can_be_made_from_packages() -> None:
    base = build.base_image(build.context_files(ROOT)["Dockerfile"].decode())
    assert "@sha256:" in base
    assert made_name(base) == "peer-cli-base:bookworm"


@pytest.mark.parametrize(
    "name", ["debian:trixie", "docker.io/library/debian:trixie-slim@" + DIGEST]
)
def test_debian_s_images_can_be_made(name: str) -> None:
    assert made_name(name) == "peer-cli-base:trixie"


@pytest.mark.parametrize("name", ["alpine:3", "debian:", "debian:12", "python:bookworm-slim"])
def test_other_base_images_cannot(name: str) -> None:
    with pytest.raises(BaseImageError, match="docker load"):
        made_name(name)


def test_only_set_settings_become_build_args() -> None:
    environment = {"PIP_INDEX_URL": "https://example.org/simple", "HTTP_PROXY": "", "HOME": "/"}
    assert build.build_args(environment) == {"PIP_INDEX_URL": "https://example.org/simple"}


def test_ca_bundle_is_taken_where_the_host_names_one(tmp_path: Path) -> None:
    bundle = tmp_path / "own.crt"
    bundle.write_bytes(b"certificates")
    assert build.ca_bundle({"SSL_CERT_FILE": str(bundle)}) == b"certificates"
    assert build.ca_bundle({"PIP_CERT": str(tmp_path / "missing")}) is None
    assert build.ca_bundle({}) is None


def test_build_output_is_passed_on_line_by_line() -> None:
    lines: list[str] = []
    build.follow_build(
        [{"stream": "Step 1/2 : FROM x\n"}, {"aux": {}}, {"stream": "\x1b[91mred\n\x1b[0m"}],
        lines.append,
    )
    assert lines == ["Step 1/2 : FROM x", "red"]


def test_failed_build_shows_its_last_lines() -> None:
    output = [{"stream": f"line {number}\n"} for number in range(100)]
    with pytest.raises(ImageError) as failure:
        build.follow_build([*output, {"error": "exit code 1"}], lambda line: None)
    text = str(failure.value)
    assert "exit code 1" in text
    assert "line 99" in text
    assert "line 10\n" not in text


class Images:
    """The images of an engine, the oldest first, by their tags."""

    def __init__(self, *tags: list[str]) -> None:
        self._made = [
            SimpleNamespace(tags=each, attrs={"Created": f"2026-01-{day:02}T00:00:00Z"})
            for day, each in enumerate(tags, 1)
        ]
        self.removed: list[str] = []

    def list(self, repository: str) -> list[SimpleNamespace]:
        assert repository == build.REPOSITORY
        return list(self._made)

    def remove(self, tag: str) -> None:
        if tag.endswith("-000000000001"):
            raise APIError("it is in use")
        self.removed.append(tag)


def test_of_each_target_the_newest_images_stay() -> None:
    def tags(target: str, count: int) -> list[list[str]]:
        return [[f"peer-cli:{target}{number:012}"] for number in range(count)]

    more = build.KEPT_IMAGES + 3
    own = [["peer-cli:mine"], ["peer-cli:peer"]]
    images = Images(*own, *tags("peer-", more), *tags("", more), *tags("headless-", 2))
    build.remove_old(SimpleNamespace(images=images))  # type: ignore[arg-type]
    assert sorted(images.removed) == [
        "peer-cli:000000000000", "peer-cli:000000000001", "peer-cli:000000000002",
        "peer-cli:peer-000000000000", "peer-cli:peer-000000000002",
    ]  # fmt: skip


def test_every_program_has_a_target_in_the_dockerfile_and_its_packages() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for family in every_family():
        for program in family.programs:
            assert all(package.is_dir() for package in program.packages)
        for target in family.targets:
            assert f" AS {target}\n" in dockerfile, f"{family.name}: {target}"
