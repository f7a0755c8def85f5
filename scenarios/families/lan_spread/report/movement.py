"""Parses progress and throughput events for the terminal."""

from collections.abc import Callable, Mapping
from typing import Any

from scenarios.families.lan_spread.attempts import OUTCOMES
from scenarios.family.story import Movement


def progress(data: Mapping[str, Any]) -> Movement:
    """Parse a `download-progress`. Raises KeyError for data of another shape."""
    return Movement(data["game_id"], data["downloaded_bytes"], data["bytes_per_second"])


def over(data: Mapping[str, Any]) -> Movement:
    """Parse the terminal event of a download. Raises KeyError for data of another shape."""
    return Movement(data["game_id"])


MOVES: Mapping[str, Callable[[Mapping[str, Any]], Movement]] = {
    "download-progress": progress,
    **dict.fromkeys(OUTCOMES, over),
}
