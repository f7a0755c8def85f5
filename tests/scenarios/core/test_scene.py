"""Waiting for what nodes say."""

from pathlib import Path

import pytest

from scenarios.core.scene import Scene


def test_an_interrupt_that_leaves_the_condition_unlocked_stays_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene")

    def interrupted() -> None:
        with scene.waiting():
            scene.condition.release()  # as `wait` does first
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(RuntimeError):  # it is held by nobody
        scene.condition.release()


def test_other_errors_pass(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene")

    def broken() -> None:
        with scene.waiting():
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        broken()
