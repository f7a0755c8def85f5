"""Cleans texts of nodes before a terminal shows them; a node may be hostile, or pass on hostility.

What nodes said is kept as it was in logs and records; only what people see is cleaned.
"""

import unicodedata
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters (such as escape), format characters (such as those that change the writing
# direction), lone surrogates, and line and paragraph separators.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return the text with U+FFFD in place of what could control a terminal; tabs are harmless."""
    if text.isprintable():
        return text
    return "".join(
        REPLACEMENT if unicodedata.category(one) in _STEERING and one != "\t" else one
        for one in text
    )


def printable_lines(text: str) -> str:
    """Clean a text that may have several lines."""
    return "\n".join(map(printable, text.split("\n")))


def printable_message(message: Any) -> Any:
    """Clean every text in a decoded JSON value, keys too."""
    match message:
        case str():
            return printable(message)
        case dict():
            return {printable(key): printable_message(value) for key, value in message.items()}
        case list():
            return [printable_message(value) for value in message]
    return message
