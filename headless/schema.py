"""The JSON Schema of every command, reply and event, generated from the types that decode them."""

from typing import Any

import msgspec

from headless.envelope import ErrorLine
from headless.vocabulary import Vocabulary


def json_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return one JSON Schema document: the valid lines of stdin and stdout.

    `commands`, `results` and `events` map each name to the schema of its arguments or `data`.
    """
    commands = list(vocabulary.commands().items())
    results = [(name, vocabulary.result_of(kind)) for name, kind in commands]
    events = [(event.event, event) for event in vocabulary.events]
    kinds: list[Any] = [kind for _, kind in [*commands, *results, *events]]
    schemas, definitions = msgspec.json.schema_components(
        [*kinds, ErrorLine], ref_template="#/$defs/{name}"
    )
    by_kind = dict(zip([*kinds, ErrorLine], schemas, strict=True))
    scalar = {"type": ["string", "number", "boolean", "null"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{vocabulary.program}: lines on stdin and stdout",
        "envelope": {
            "command": {
                "type": "object",
                "required": ["cmd"],
                "properties": {"cmd": {"enum": [name for name, _ in commands]}, "id": scalar},
            },
            "result": {
                "type": "object",
                "required": ["type", "id", "data"],
                "properties": {"type": {"const": "result"}, "id": scalar, "data": True},
            },
            "error": by_kind[ErrorLine],
            "event": {
                "type": "object",
                "required": ["type", "event", "seq", "ts", "data"],
                "properties": {
                    "type": {"const": "event"},
                    "event": {"enum": [name for name, _ in events]},
                    "seq": {"type": "integer", "minimum": 0},
                    "ts": {"type": "number"},
                    "data": True,
                },
            },
        },
        "aliases": {"cmd": ["command"], **{to: [name] for name, to in vocabulary.aliases.items()}},
        "commands": {name: by_kind[kind] for name, kind in commands},
        "results": {name: by_kind[kind] for name, kind in results},
        "events": {name: by_kind[kind] for name, kind in events},
        "$defs": definitions,
    }
