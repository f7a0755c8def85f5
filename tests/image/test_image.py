"""The parts of the image's making that need no Docker engine."""

import io
import tarfile
from pathlib import Path

import pytest

from scenarios import image
from scenarios.base_image import BaseImageError, suite_of
from scenarios.image import ImageError


def test_context_is_what_the_dockerfile_copies_and_nothing_else() -> None:
    files = image.context_files(image.ROOT)
    assert {"Dockerfile", "pyproject.toml", "fixtures/catalog.py", "fixtures/catalog.json"} <= set(
        files
    )
    assert "peer_cli/rar_writer.py" in files
    expected = ("peer_cli/", "Dockerfile", "pyproject.toml", ".dockerignore", "fixtures/catalog.")
    assert [path for path in files if not path.startswith(expected)] == []
    assert [path for path in files if "__pycache__" in path] == []


def test_hash_follows_every_path_and_content() -> None:
    files = {"a": b"1", "b": b"2"}
    same = image.inputs_hash({"b": b"2", "a": b"1"})
    assert image.inputs_hash(files) == same
    others = [{"a": b"1", "b": b"3"}, {"a": b"1", "c": b"2"}, {"a": b"1"}, {"a": b"1b 1\n2"}]
    assert same not in {image.inputs_hash(other) for other in others}


def test_context_tar_holds_the_files_and_is_reproducible() -> None:
    files = {"peer_cli/x.py": b"x", "Dockerfile": b"FROM a\n"}
    packed = image.context_tar(files)
    assert packed == image.context_tar(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        read = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        assert {name: data.read() for name, data in read.items() if data} == files


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("FROM debian:bookworm-slim AS system\nFROM system\n", "debian:bookworm-slim"),
        ("# FROM nothing:1\nfrom debian\n", "debian:latest"),
        ("FROM --platform=linux/amd64 example.org:5000/debian\n", "example.org:5000/debian:latest"),
    ],
)
def test_base_image_is_that_of_the_first_from(dockerfile: str, expected: str) -> None:
    assert image.base_image(dockerfile) == expected


def test_dockerfile_without_from_is_refused() -> None:
    with pytest.raises(ImageError, match="no FROM line"):
        image.base_image("RUN true\n")


def test_base_of_our_dockerfile_can_be_made_from_packages() -> None:
    dockerfile = image.context_files(image.ROOT)["Dockerfile"].decode()
    assert suite_of(image.base_image(dockerfile)) == "bookworm"


@pytest.mark.parametrize("name", ["alpine:3", "debian:", "debian:12", "python:bookworm-slim"])
def test_other_base_images_cannot(name: str) -> None:
    with pytest.raises(BaseImageError, match="docker load"):
        suite_of(name)


def test_only_set_settings_become_build_args() -> None:
    environment = {"PIP_INDEX_URL": "https://example.org/simple", "HTTP_PROXY": "", "HOME": "/"}
    assert image.build_args(environment) == {"PIP_INDEX_URL": "https://example.org/simple"}


def test_ca_bundle_is_taken_where_the_host_names_one(tmp_path: Path) -> None:
    bundle = tmp_path / "own.crt"
    bundle.write_bytes(b"certificates")
    assert image.ca_bundle({"SSL_CERT_FILE": str(bundle)}) == b"certificates"
    assert image.ca_bundle({"PIP_CERT": str(tmp_path / "missing")}) is None
    assert image.ca_bundle({}) is None


def test_build_output_is_passed_on_line_by_line() -> None:
    lines: list[str] = []
    image.follow_build(
        [{"stream": "Step 1/2 : FROM x\n"}, {"aux": {}}, {"stream": "\x1b[91mred\n\x1b[0m"}],
        lines.append,
    )
    assert lines == ["Step 1/2 : FROM x", "red"]


def test_failed_build_shows_its_last_lines() -> None:
    output = [{"stream": f"line {number}\n"} for number in range(100)]
    with pytest.raises(ImageError) as failure:
        image.follow_build([*output, {"error": "exit code 1"}], lambda line: None)
    text = str(failure.value)
    assert "exit code 1" in text
    assert "line 99" in text
    assert "line 10\n" not in text
