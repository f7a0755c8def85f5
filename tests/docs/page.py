"""Blocks of commands in a page."""

import re


def block_of(page: str, after: str, language: str = "") -> str:
    """Return the first block of a language after a text."""
    _, found, rest = page.partition(after)
    fenced = re.search(rf"^```{language}\n(.*?)^```$", rest, re.M | re.S)
    assert found, after
    assert fenced, after
    return fenced[1]
