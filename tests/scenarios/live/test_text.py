"""How a live node shows a peer's lines."""

from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from scenarios.families.lan_spread.family import FAMILY
from scenarios.families.lan_spread.live import LIVE_PEER, progress
from scenarios.live.text import progress_text, render, size_text


def shown(message: Mapping[str, Any]) -> str:
    console = Console(width=160, force_terminal=False, no_color=True)
    with console.capture() as capture:
        console.print(render(message, FAMILY.words, LIVE_PEER))
    return capture.get().rstrip()


def shown_progress(data: Mapping[str, Any]) -> Text:
    return progress_text(progress(data))


def test_an_event_is_one_line() -> None:
    event = {
        "type": "event",
        "event": "download-finished",
        "seq": 3,
        "data": {"game_id": "ggoo", "throughput": {"bytes": 3 << 20, "chunks": 2}},
    }
    assert shown(event) == "• download-finished  game_id ggoo  throughput bytes 3.0 MiB, chunks 2"


def test_lists_in_an_event_stay_on_its_line() -> None:
    games = [{"id": "css", "size": 1, "installed": True}, {"id": "ggoo", "size": 2, "x": 3}]
    event = {"type": "event", "event": "local-library-changed", "data": {"games": games}}
    assert shown(event) == "• local-library-changed  games css, ggoo"
    operations = [{"game_id": "css", "operation": "Downloading"}]
    event = {"type": "event", "event": "x", "data": {"active_operations": operations}}
    assert shown(event) == "• x  active_operations css Downloading"


def test_an_error_shows_its_sentence_and_code() -> None:
    error = {"type": "error", "id": 1, "error": "no peers have game x", "code": "no-peers"}
    assert shown(error) == "✗ 1 no peers have game x  (no-peers)"


def test_rows_become_a_table() -> None:
    games = [{"id": "ggoo", "size": 2048, "downloaded": True, "version": None}]
    text = shown({"type": "result", "id": "games", "data": {"local": games, "remote": []}})
    assert text.splitlines()[0] == "✓ games  remote none"
    assert "local" in text.splitlines()[1]
    assert text.splitlines()[3].split() == ["ggoo", "2.0", "KiB", "yes", "none"]


def test_nested_games_are_named_by_id_and_ids_are_shortened() -> None:
    peers = [{"peer_id": "0123456789abcdef", "games": [{"id": "css"}, {"id": "ggoo"}]}]
    text = shown({"type": "result", "id": 1, "data": {"peers": peers}})
    assert "0123456789ab…" in text
    assert "css, ggoo" in text


def test_what_is_no_message_is_shown_as_it_is() -> None:
    assert shown({"hello": "you"}) == '{"hello": "you"}'


def test_progress_is_one_line() -> None:
    text = shown_progress(
        {
            "game_id": "ggoo",
            "downloaded_bytes": 5 << 20,
            "total_bytes": 10 << 20,
            "bytes_per_second": 200 * (1 << 20),
            "active_peer_count": 1,
        }
    ).plain
    assert text.endswith(" 50%  5.0 MiB of 10.0 MiB  200 MiB/s  1 source")
    assert "100%" in shown_progress({"game_id": "x"}).plain


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (120 << 20, "120 MiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text
