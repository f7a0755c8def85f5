"""Reads fields of nodes' messages. Nodes may be hostile: a value of a wrong type is empty."""

from collections.abc import Iterable, Mapping
from typing import Any


def text_of(data: Mapping[str, Any], key: str) -> str:
    """Return a text field; "" for any other type."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def number_of(data: Mapping[str, Any], key: str) -> int:
    """Return a size or an offset; 0 for any other type or an absurd value."""
    value = data.get(key)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if usable and isinstance(value, int) else 0


def objects_of(data: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    """Return the objects in a list field; anything else is skipped."""
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
