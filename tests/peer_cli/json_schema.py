"""Checks values against the part of JSON Schema that msgspec writes; enough for these tests."""

from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "items",
    "maximum", "minimum", "properties", "required", "title", "type",
}  # fmt: skip


def problems(value: Any, schema: Any, definitions: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a value; raises AssertionError for schemas not understood."""
    if schema is True:
        return []
    assert set(schema) <= _KNOWN, f"teach this checker {set(schema) - _KNOWN}"
    if "$ref" in schema:
        return problems(value, definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "anyOf" in schema:
        if any(not problems(value, option, definitions) for option in schema["anyOf"]):
            return []
        return [f"{value!r} fits nothing of {schema['anyOf']}"]
    found: list[str] = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{value!r} is none of {schema['enum']}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return [*found, f"{value!r} is no {kinds}"]
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{value!r} is under {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        found.append(f"{value!r} is over {schema['maximum']}")
    if isinstance(value, list):
        for item in value:
            found += problems(item, schema.get("items", True), definitions)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            extra = schema.get("additionalProperties", True)
            if name not in known and extra is False:
                found.append(f"{name} is unknown")
            else:
                found += problems(member, known.get(name, extra), definitions)
    return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
