"""Each text is reported once, and not without end."""

from headless.once import MOST, Once


def test_each_text_is_reported_once_and_not_without_end() -> None:
    reported: list[str] = []
    once = Once(reported.append)
    for text in ("a", "b", "a", *map(str, range(2 * MOST))):
        once(text)
    assert reported == ["a", "b", *map(str, range(MOST - 2))]
