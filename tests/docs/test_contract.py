"""docs/contract.md against the program: nothing on one side that is not on the other."""

import ast
import re
from argparse import Action
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headless import dispatch, envelope, output, program
from headless.program import Program
from headless.schema import json_schema
from network import swarm_key
from peer_cli import __main__ as peer
from peer_cli.library import scan
from peer_cli.messages import VOCABULARY
from peer_cli.messages.commands import MAX_WAIT_MS
from peer_cli.settings import make_parser, read_settings
from peer_cli.transfer import manifest
from store import names

PROJECT = Path(__file__).parents[2]
PROGRAM = ("headless", "network", "store", "peer_cli")
PAGE = (PROJECT / "docs" / "contract.md").read_text(encoding="utf-8")
SCHEMA = json_schema(VOCABULARY)
SPAN = re.compile(r"`([^`\n]+)`")
CODE = re.compile(r"[a-z]+(-[a-z]+)*")
LIMITS = {
    "line on stdin": envelope.MAX_LINE_BYTES,
    "waiting commands": dispatch.MAX_WAITING_COMMANDS,
    "unread output": output.MAX_WAITING_OUTPUT_BYTES,
    "`timeout_ms`": MAX_WAIT_MS,
    "folders in a path": names.MAX_DEPTH,
    "path in a game": names.MAX_PATH_BYTES,
    "name in a path": names.MAX_PART_BYTES,
    "`version.ini`": scan.MAX_VERSION_BYTES,
    "chunk": manifest.CHUNK_SIZE,
    "swarm key": f"{swarm_key.MIN_KEY_BYTES} to {swarm_key.MAX_KEY_BYTES}",
}


def table(first: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading, each as its cells."""
    lines = iter(PAGE.splitlines())
    assert any(line.startswith(f"| {first} |") for line in lines), first
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
        rows.append([cell.strip().replace("\\|", "|") for cell in cells])
    return rows


def fields(schema: dict[str, Any]) -> str:
    """Return the fields of an object in the page's notation."""
    properties = resolved(schema).get("properties", {})
    required = resolved(schema).get("required", [])
    return ", ".join(
        name + ("" if name in required else "?") + default(kind) + inner(kind)
        for name, kind in properties.items()
    )


def default(kind: dict[str, Any]) -> str:
    if "default" not in kind:
        return ""
    return " = " + {True: "true", False: "false", None: "null"}[kind["default"]]


def inner(kind: dict[str, Any]) -> str:
    kind = resolved(kind)
    if "properties" in kind:
        return f": {{{fields(kind)}}}"
    if kind.get("type") == "array":
        return f": [{{{fields(kind['items'])}}}]"
    if "additionalProperties" in kind:
        return ": {…}"
    return ""


def resolved(kind: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in kind:
        found: dict[str, Any] = SCHEMA["$defs"][kind["$ref"].rpartition("/")[2]]
        return found
    return kind


def span(cell: str) -> str:
    """Return the one code span of a cell, or nothing."""
    found = SPAN.findall(cell)
    assert len(found) <= 1, cell
    return found[0] if found else ""


def test_every_command_with_its_arguments_and_result() -> None:
    told = {
        SPAN.findall(name)[0]: (span(arguments), span(data))
        for name, arguments, data, _ in table("command")
    }
    assert told == {
        name: (fields(SCHEMA["commands"][name]), fields(SCHEMA["results"][name]))
        for name in SCHEMA["commands"]
    }


def test_every_alias() -> None:
    told = {name: others for row in table("command") for name, *others in [SPAN.findall(row[0])]}
    aliases = {name: others for name, others in SCHEMA["aliases"].items() if name != "cmd"}
    assert {name: others for name, others in told.items() if others} == aliases


def test_every_event_with_its_fields() -> None:
    told = {span(name): span(data) for name, data, _ in table("event")}
    assert told == {name: fields(data) for name, data in SCHEMA["events"].items()}


def test_the_events_of_which_only_the_newest_is_kept() -> None:
    (sentence,) = re.findall(r"only the newest [^:]*: ([^.]+)\.", PAGE)
    assert {span(part) for part in sentence.split(",")} == {
        event.event for event in VOCABULARY.events if event.state_of is not None
    }


def test_every_value_of_a_field_that_has_few() -> None:
    kinds = [kind for group in ("results", "events") for kind in SCHEMA[group].values()]
    kinds += [kind for name, kind in SCHEMA["$defs"].items() if name != "ErrorLine"]
    found = {value for kind in kinds for value in values(kind)}
    assert found
    assert not found - set(SPAN.findall(PAGE))


def values(kind: Any) -> Iterator[str]:
    if isinstance(kind, dict):
        yield from kind.get("enum", [])
        for part in kind.values():
            yield from values(part)


def flags() -> dict[str, Action]:
    actions = make_parser({})._actions
    return {one.option_strings[0]: one for one in actions if one.option_strings[0] != "-h"}


def test_every_flag_with_its_default() -> None:
    told = {span(flag).split()[0]: (span(flag), default) for flag, default, _ in table("flag")}
    assert told.keys() == flags().keys()
    for name, action in flags().items():
        flag, default = told[name]
        metavar = action.metavar or name.removeprefix("--").upper()
        assert flag == f"{name} [{metavar}]" if action.nargs == "?" else f"{name} {metavar}"
        literal = action.default if name != "--name" else None  # that one is the host's name
        assert span(default) == (literal or ""), name


def test_every_required_flag() -> None:
    required = {span(flag).split()[0] for flag, default, _ in table("flag") if "req" in default}
    for name in flags():
        others = [part for one in required - {name} for part in (one, "x")]
        if name in required:
            with pytest.raises(SystemExit):
                read_settings(others, {})
        else:
            read_settings(others, {})


def test_every_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Program[Any, Any]] = []
    monkeypatch.setattr(program, "main", started.append)
    peer.main()
    assert {span(row[0]) for row in table("tool")} == {"schema", *started[0].tools}


def test_every_code() -> None:
    told = [code for row in table("code") for code in SPAN.findall(row[0])]
    assert len(told) == len(set(told))
    raised, literal = codes_in_the_source()
    assert not raised - set(told), "in the code, not on the page"
    assert not set(told) - literal, "on the page, not in the code"


def codes_in_the_source() -> tuple[set[str], set[str]]:
    """Return the codes that errors are made with, and all texts that look like a code."""
    raised: set[str] = set()
    literal: set[str] = set()
    for package in PROGRAM:
        for file in (PROJECT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    literal.add(node.value)
                if isinstance(node, ast.Call):
                    raised.update(codes_of(node))
    return raised, literal


def codes_of(call: ast.Call) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    given = [word.value for word in call.keywords if word.arg == "code"]
    if name.endswith("Error"):
        given += call.args[:1]
    for value in given:
        if isinstance(value, ast.Constant) and CODE.fullmatch(code := str(value.value)):
            yield code


def test_every_limit() -> None:
    assert {name: cell for name, cell, _ in table("limit")} == {
        name: value if isinstance(value, str) else f"{value:,}" for name, value in LIMITS.items()
    }


def test_every_section_that_is_cited_is_there() -> None:
    sections = set(re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE))
    cited = set()
    for folder in (
        "headless",
        "network",
        "store",
        "peer_cli",
        "scenarios",
        "tests",
        "examples",
        "docs",
    ):
        for file in (PROJECT / folder).rglob("*"):
            if file.suffix in (".py", ".mjs", ".md"):
                text = file.read_text(encoding="utf-8")
                assert not re.search(r"\bCONTRACT\b", text) or file == Path(__file__), file
                cited.update(re.findall(r"contract\.md,? section (\d+)", text))
    assert cited
    assert cited <= sections
