"""Whatever stands on a line of stdin: one reply to each, a result or a clear error.

Lines are made from the peer's own schema: each argument is of its type, or of another, and hostile.
"""

import json
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headless.schema import json_schema
from peer_cli.messages import VOCABULARY
from tests.peer_cli.peer_process import TIMEOUT_S, Place, make_place

SCHEMA: dict[str, Any] = json_schema(VOCABULARY)
LIBRARY = "../library"  # the peer's own, seen from the folder it runs in
SOON_MS = 5


def either(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of these, each as likely as it is often here (one_of weighs what they are made of)."""
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


texts = either(
    *[st.just("ggoo")] * 3,
    st.sampled_from([LIBRARY, "", "a\0b", "\ud800", "..", "a/b", "\n", "/" * 5000]),
    st.sampled_from([127, 128, 240, 248, 255, 256, 4096, 70_000]).map(lambda size: "ä" * size),
    st.sampled_from(["127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "[::1]:1", "[fe80::1%x]:1"]),
    st.sampled_from(["80MiB", "0", "-1", "nan", "inf", "1e999", "9" * 400, "٣MiB", "1.0000000001"]),
    st.text(max_size=30),  # with all of Unicode
)
# Never up: the peer would look through whatever it found there, and could be told to remove it.
paths = either(
    *[st.just(LIBRARY)] * 6,
    texts.map(lambda text: LIBRARY + "/" + text.replace("..", "")),
    st.integers(1, 3000).map(lambda depth: LIBRARY + "/a" * depth),
)
integers = st.one_of(st.integers(-2, 5), st.integers(), st.integers(min_value=2**63))
scalars = st.one_of(texts, integers, st.booleans(), st.none(), st.floats(allow_nan=False))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def argument(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of an argument's type, and others."""
    kinds = {option.get("type") for option in schema.get("anyOf", [schema])}
    fitting: list[st.SearchStrategy[Any]] = [st.none()] if "null" in kinds else []
    if "string" in kinds:
        fitting.append(paths if name == "path" else texts)
    if "integer" in kinds:
        soon = st.integers(-1, SOON_MS) | st.integers(min_value=schema.get("maximum", 0) + 1)
        fitting.append(soon if name == "timeout_ms" else integers)
    if "boolean" in kinds:
        fitting.append(st.booleans())
    # A number is no time to wait for, and a text no path to go to, unless it is from above.
    others = values.filter(lambda value: type(value) not in (int, str))
    return either(*fitting, *fitting, *fitting, others)


def arguments(name: str) -> st.SearchStrategy[dict[str, Any]]:
    command = SCHEMA["commands"][name]
    if "$ref" in command:
        command = SCHEMA["$defs"][command["$ref"].removeprefix("#/$defs/")]
    known = {key: argument(key, value) for key, value in command["properties"].items()}
    # Mostly whole; one that lacks an argument, or has one too many, is refused at once.
    return either(
        *[st.fixed_dictionaries(known)] * 5,
        st.fixed_dictionaries({}, optional=known | {"more": values}),
    )


def encode(message: object, *, ascii_only: bool) -> bytes:
    return json.dumps(message, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


# Not `remove` either: what follows would find no game any more.
commands = st.sampled_from(sorted(SCHEMA["commands"].keys() - {"shutdown", "remove"})).flatmap(
    lambda name: st.builds(
        lambda args, request_id, ascii_only: encode(
            {"cmd": name, "id": request_id, **args}, ascii_only=ascii_only
        ),
        arguments(name),
        scalars,
        st.booleans(),
    )
)
others = st.one_of(
    st.binary(max_size=40),
    st.builds(encode, values, ascii_only=st.booleans()),
    st.text(string.printable, max_size=40).map(lambda text: f'{{"cmd":"{text}"}}'.encode()),
    st.sampled_from(
        [
            b"[" * 100_000,
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            b'{"cmd":"status","id":NaN}',
            b'{"cmd":"status","id":1e400}',
            b'{"cmd":"status","id":' + b"9" * 5_000 + b"}",
            b'{"cmd":"status","cmd":"list-peers","id":1,"id":2}',
            b'{"cmd":"wait-peers","count":0,"timeout_ms":1,"timeout_ms":-1}',
            b'\xef\xbb\xbf{"cmd":"status"}',
            b'{"cmd":"status"}'.ljust((1 << 20) + 1),
        ]
    ),
)
lines = either(commands, commands, commands, others).map(lambda line: line.replace(b"\n", b""))


class Asked:
    """A peer that is asked line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, batch: list[bytes]) -> list[dict[str, Any]]:
        """Write lines; return what comes up to the last reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"".join(line + b"\n" for line in batch))
        told: list[dict[str, Any]] = []
        due = len(batch)
        while due:
            told.append(json.loads(self._process.stdout.readline()))
            due -= told[-1]["type"] != "event"
        return told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def peer(place: Place) -> Iterator[Asked]:
    (place.games_dir.parent / "library").symlink_to("games")
    where = place.folder / "cwd"
    where.mkdir()
    flags = place.flags({"--fixture": "ggoo", "--unpacker": "fixture"})
    with subprocess.Popen(
        [sys.executable, "-m", "peer_cli", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=where,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        bufsize=0,
    ) as process:
        try:
            yield Asked(process)
            _, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        assert (process.returncode, err) == (0, b"")


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(lines, min_size=1, max_size=30))
def test_every_line_gets_a_result_or_a_clear_error(peer: Asked, batch: list[bytes]) -> None:
    for told in peer.ask(batch):
        if told["type"] == "event":
            assert told["data"].get("code") != "internal-error", told
        elif told["type"] == "error":
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", told["code"])
            assert told["code"] != "internal-error", batch
            assert 5 < len(told["error"]) < 200_000
