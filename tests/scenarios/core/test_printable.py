import pytest

from scenarios.core.printable import printable, printable_lines, printable_message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Müller — 名前\t✓", "Müller — 名前\t✓"),
        ("\x1b[31mred", "�[31mred"),
        ("\x9b31m", "�31m"),
        ("abc\u202egnp.exe", "abc�gnp.exe"),
        ("\u2066isolated\u2069", "�isolated�"),
        ("one\ntwo\r", "one�two�"),
        ("\ud800", "�"),
        ("a\u2028b\u200bc\x7f", "a�b�c�"),
    ],
)
def test_what_could_control_a_terminal_is_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay_lines() -> None:
    assert printable_lines("one\x1b\ntwo\u2028\n") == "one�\ntwo�\n"


def test_all_of_a_message_is_cleaned() -> None:
    message = {"na\x1bme": ["\x07", {"x": "\u202e"}, 5, None, True]}
    assert printable_message(message) == {"na�me": ["�", {"x": "�"}, 5, None, True]}
