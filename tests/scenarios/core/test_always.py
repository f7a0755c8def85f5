"""Each always-on check is shown to fail when it should, and only then."""

import json
from typing import Any

import pytest

from scenarios.core.always import (
    GENERIC,
    Ending,
    NodeStory,
    gapless_seq,
    no_traceback,
    one_reply_per_command,
    only_events_after_shutdown,
    only_protocol_lines,
    right_exit_code,
)
from scenarios.core.backends.base import Ended
from scenarios.core.log import Line, Stream


def story(
    *lines: tuple[Stream, Any],
    exit_code: int | None = 0,
    ending: Ending | None = "asked",
    expected_exit: int = 0,
    cut_off: bool = False,
) -> NodeStory:
    """Make a story of (stream, text or message) pairs; ``cut_off``: the last line has no end."""
    made = []
    for index, (stream, content) in enumerate(lines):
        message = content if isinstance(content, dict) else None
        text = content if isinstance(content, str) else json.dumps(content)
        complete = not (cut_off and index == len(lines) - 1)
        made.append(Line(index, 0.0, 0.0, stream, text, message, complete))
    ended = None if exit_code is None else Ended(exit_code)
    return NodeStory("alpha", made, ended, ending, expected_exit)


def event(seq: Any = 0, **changes: Any) -> tuple[Stream, dict[str, Any]]:
    message = {"type": "event", "event": "x", "seq": seq, "ts": 1.5, "data": {}, **changes}
    return "out", message


def command(request_id: Any, cmd: str = "status") -> tuple[Stream, dict[str, Any]]:
    return "in", {"cmd": cmd, "id": request_id}


def result(request_id: Any) -> tuple[Stream, dict[str, Any]]:
    return "out", {"type": "result", "id": request_id, "data": {}}


def error(request_id: Any, **changes: Any) -> tuple[Stream, dict[str, Any]]:
    message = {"type": "error", "id": request_id, "error": "No.", "code": "no", **changes}
    return "out", message


def test_a_good_story_passes_all() -> None:
    good = story(
        event(0),
        command(1),
        event(1),
        result(1),
        command("two", "nonsense"),
        error("two"),
        ("in", "garbage"),
        error(None),
        ("err", "a warning"),
        command(3, "shutdown"),
        result(3),
        event(2),
    )
    assert [check(good) for _, check in GENERIC] == [[]] * len(GENERIC)


@pytest.mark.parametrize(
    "line",
    [
        ("out", "Hello, world"),
        ("out", "[1]"),
        ("out", ""),
        ("out", {"type": "hello"}),
        ("out", {"type": "result", "id": 1}),
        error(1, code=None),
        error(1, error=3),
        event("0"),
        event(True),
        event(ts="now"),
        event(data=[]),
        event(event=None),
    ],
)
def test_junk_on_stdout(line: tuple[Stream, Any]) -> None:
    (finding,) = only_protocol_lines(story(line))
    assert "alpha wrote what is no protocol line" in finding


def test_a_line_without_its_end_is_junk_unless_the_node_was_killed() -> None:
    assert only_protocol_lines(story(event(), cut_off=True))
    assert only_protocol_lines(story(("out", '{"ty'), cut_off=True))
    assert not only_protocol_lines(story(("out", '{"ty'), cut_off=True, ending="killed"))


def test_stderr_and_stdin_are_free() -> None:
    assert not only_protocol_lines(story(("err", "Hello"), ("in", "garbage")))


@pytest.mark.parametrize("numbers", [[1], [0, 2], [0, 0], [0, 1, 0], [0, -1]])
def test_a_gap_in_seq(numbers: list[int]) -> None:
    (finding,) = gapless_seq(story(*(event(number) for number in numbers)))
    assert "was due" in finding


def test_seq_without_a_gap() -> None:
    assert not gapless_seq(story(event(0), result(1), event(1), ("err", "x"), event(2)))


def test_replies() -> None:
    assert "only 0 times" in one_reply_per_command(story(command(1)))[0]
    assert "2 times" in one_reply_per_command(story(command(1), result(1), result(1)))[0]
    assert "1 times to id 9" in one_reply_per_command(story(result(9)))[0]
    assert "only 0 times" in one_reply_per_command(story(("in", "garbage")))[0]
    two = story(("in", "garbage"), error(None), error(None))
    assert "2 times" in one_reply_per_command(two)[0]
    # 1 and "1" are different ids.
    assert len(one_reply_per_command(story(command(1), result("1")))) == 2


def test_replies_that_nobody_owes() -> None:
    assert not one_reply_per_command(story(command(1), ending="killed"))
    assert not one_reply_per_command(story(("in", "  ")))
    assert not one_reply_per_command(story(("in", ""), error(None)))
    stop = (command(1, "shutdown"), result(1))
    assert not one_reply_per_command(story(*stop, command(2)))
    # A line over the limit is refused unread, so its id cannot be echoed.
    assert not one_reply_per_command(story(command("x" * 2**21), error(None)))


def test_lines_after_shutdown() -> None:
    stop = (command(7, "shutdown"), result(7))
    assert not only_events_after_shutdown(story(command(1), *stop, event(0)))
    assert not only_events_after_shutdown(story(result(1), command(7, "shutdown"), result(7)))
    (finding,) = only_events_after_shutdown(story(command(1), *stop, event(0), result(1)))
    assert "after its shutdown" in finding
    assert only_events_after_shutdown(story(*stop, ("out", "bye")))
    alias = ("in", {"command": "shutdown", "id": 7})
    assert only_events_after_shutdown(story(alias, result(7), result(1)))  # type: ignore[arg-type] # a literal in a tuple


def test_exit_codes() -> None:
    assert not right_exit_code(story())
    assert "exited 1" in right_exit_code(story(exit_code=1))[0]
    assert "still runs" in right_exit_code(story(exit_code=None))[0]
    assert "nobody had asked" in right_exit_code(story(ending=None))[0]
    assert not right_exit_code(story(exit_code=-9, ending="killed"))
    assert not right_exit_code(story(exit_code=2, expected_exit=2, ending=None))
    assert right_exit_code(story(exit_code=0, expected_exit=2))


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "Exception ignored in: <function x>",
        "thread 'main' panicked at src/main.rs:1",
    ],
)
def test_a_traceback(line: str) -> None:
    (finding,) = no_traceback(story(("err", "before"), ("err", line), ("err", "KeyError: 'x'")))
    assert line in finding
    assert "KeyError: 'x'" in finding
    assert "before" not in finding


def test_a_traceback_is_looked_for_on_stderr_only() -> None:
    assert not no_traceback(story(("in", "Traceback (most recent call last):"), ("err", "fine")))
