"""Deleting trees that stop a recursion: deep ones, and paths longer than the system takes."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from store.deletion import delete_tree


def make_deep(top: Path, name: str, depth: int) -> None:
    """Make folders within folders, by descriptors: their path is too long for any call."""
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)


@pytest.mark.parametrize(("name", "depth"), [("d", 1500), ("d" * 255, 60)])
def test_depth_is_no_limit(tmp_path: Path, name: str, depth: int) -> None:
    make_deep(tmp_path / "top", name, depth)
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process
    try:
        delete_tree(tmp_path / "top")
        assert list(tmp_path.iterdir()) == []
    finally:  # pytest, which keeps the folder, could not delete it, and would not run any more
        subprocess.run(["rm", "-rf", str(tmp_path / "top")], check=True)
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208


def test_everything_in_a_folder_goes(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for number in range(30):
        (top / f"a{number}" / "empty").mkdir(parents=True)
        (top / f"a{number}" / "file").touch()
        (top / f"a{number}" / "more" / "deep").mkdir(parents=True)
        (top / f"a{number}" / "more" / "deep" / "file").touch()
    os.mkfifo(top / "pipe")
    delete_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_links_are_deleted_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    delete_tree(tmp_path / "top")
    delete_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_file_goes_and_nothing_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    delete_tree(tmp_path / "file")
    delete_tree(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_nothing_on_a_read_only_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "unlink", refuse)
    delete_tree(tmp_path / "nothing")


def test_what_cannot_go_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_deep(tmp_path / "top", "d", 3)

    def refuse(name: str, *, dir_fd: int) -> None:
        raise PermissionError(13, "Permission denied", name)

    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionError):
        delete_tree(tmp_path / "top")
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208
