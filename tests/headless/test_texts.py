import pytest

from headless.texts import printable


@pytest.mark.parametrize(
    "text", ["", "Ada", "Ünï ødé", "日本\u3000語", "a\N{NO-BREAK SPACE}b", "🎮"]
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("\x9b2J", "\ufffd2J"),
        ("two\nlines\r\x00", "two\ufffdlines\ufffd\ufffd"),
        ("exe.\u202egpj", "exe.\ufffdgpj"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("\u2066isolate\u2069", "\ufffdisolate\ufffd"),
        ("line\u2028end", "line\ufffdend"),
        ("\x7f", "\ufffd"),
    ],
)
def test_what_steers_a_terminal_is_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown
