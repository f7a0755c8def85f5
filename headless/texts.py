"""Cleans texts that come from others, so that they cannot control the terminal."""

import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters (such as escape), format characters (such as those that change the writing
# direction), lone surrogates, and line and paragraph separators.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return the text with U+FFFD in place of each character that could control a terminal."""
    if text.isprintable():
        return text
    return "".join(
        REPLACEMENT if unicodedata.category(character) in _STEERING else character
        for character in text
    )
