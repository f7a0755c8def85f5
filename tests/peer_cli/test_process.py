import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peer_cli.json_schema import problems
from tests.peer_cli.peer_process import (
    TIMEOUT_S,
    Place,
    lines_of,
    make_place,
    replies_of,
    run_peer,
    start_peer,
)

GARBAGE_LINES = 100_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def garbage(count: int) -> Iterator[bytes]:
    """Lines of which none is a command, the same ones in every run."""
    random_ = random.Random(1)
    words = [b'{"cmd":', b'"status"', b"]", b"{", b"[", b"null", b'"id":1', b",", b"\\u", b"1e9"]
    for number in range(count):
        match number % 4:
            case 0:
                line = random_.randbytes(random_.randrange(40)).replace(b"\n", b"")
            case 1:
                line = b"".join(random_.choices(words, k=random_.randrange(6)))
            case 2:
                line = json.dumps({"cmd": random_.choice(["fly", 5, None]), "id": number}).encode()
            case _:
                line = b'{"cmd":"status"}'[: random_.randrange(15)]
        yield line


def test_a_hundred_thousand_lines_of_garbage_then_a_status(place: Place) -> None:
    lines = [*garbage(GARBAGE_LINES), b'{"cmd":"status","id":"last"}', b""]
    ended = run_peer(place.flags(), b"\n".join(lines))
    assert (ended.returncode, ended.stderr) == (0, b"")
    replies = replies_of(ended.stdout)
    assert [reply["type"] for reply in replies] == ["error"] * GARBAGE_LINES + ["result"]
    assert replies[-1]["id"] == "last"
    assert all(reply["error"] and reply["code"] for reply in replies[:-1])
    # Every fourth line has an id, which is echoed in its place.
    ids = [reply["id"] for reply in replies[2:-1:4]]
    assert ids == list(range(2, GARBAGE_LINES, 4))


def test_the_end_of_input_is_a_graceful_end(place: Place) -> None:
    ended = run_peer(place.flags(), b'{"cmd":"status","id":1}\n{"cmd":"list-games","id":2}')
    lines = lines_of(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert lines[0]["event"] == "local-peer-ready"
    assert lines[0]["data"]["addr"].startswith("127.0.0.1:")
    assert [line["seq"] for line in lines if line["type"] == "event"] == [0, 1]
    assert [reply["id"] for reply in replies_of(ended.stdout)] == [1, 2]


def test_shutdown_is_answered_and_is_the_last_command(place: Place) -> None:
    commands = b'{"cmd":"shutdown","id":1}\n{"cmd":"status","id":2}\n'
    ended = run_peer(place.flags(), commands)
    assert (ended.returncode, ended.stderr) == (0, b"")
    replies = replies_of(ended.stdout)
    assert replies[0] == {"type": "result", "id": 1, "data": {}}
    assert [reply["code"] for reply in replies[1:]] == ["shutting-down"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_a_graceful_end(place: Place, number: signal.Signals) -> None:
    with start_peer(place.flags()) as peer:
        assert peer.stdout is not None
        assert b"local-peer-ready" in peer.stdout.readline()
        peer.send_signal(number)
        out, err = peer.communicate(timeout=TIMEOUT_S)
    assert (peer.returncode, err) == (0, b"")
    assert lines_of(out)[0]["event"] == "local-library-changed"


def test_a_reader_that_is_gone_ends_the_peer(place: Place) -> None:
    with start_peer(place.flags()) as peer:
        assert peer.stdout is not None
        assert peer.stdin is not None
        peer.stdout.readline()
        peer.stdout.close()
        peer.stdin.write(b'{"cmd":"status"}\n' * 3)
        peer.stdin.flush()
        assert peer.wait(TIMEOUT_S) == 0
        assert peer.stderr is not None
        assert peer.stderr.read() == b""
        peer.stdin = None  # broken: closing it once more would raise


def test_the_schema_is_printed_and_fits_real_lines(place: Place) -> None:
    printed = run_peer(["schema"])
    assert (printed.returncode, printed.stderr) == (0, b"")
    schema = json.loads(printed.stdout)
    commands = [{"cmd": name} for name in ("status", "list-peers", "list-games", "set-limits")]
    text = "\n".join(json.dumps({"id": c["cmd"], **c}) for c in [*commands, {"cmd": "connect"}])
    ended = run_peer(place.flags({"--fixture": "ggoo"}), text.encode())
    lines = lines_of(ended.stdout)
    assert len(lines) == 7
    for line in lines:
        assert problems(line, schema["envelope"][line["type"]], schema["$defs"]) == []
        if line["type"] == "result":
            assert problems(line["data"], schema["results"][line["id"]], schema["$defs"]) == []
        if line["type"] == "event":
            assert problems(line["data"], schema["events"][line["event"]], schema["$defs"]) == []


def test_a_wildcard_is_never_reported_as_an_address(place: Place) -> None:
    ended = run_peer(place.flags({"--listen": "0.0.0.0"}))
    if ended.returncode == 2:  # to refuse it is right too
        assert ended.stderr.count(b"\n") == 1
        return
    assert not lines_of(ended.stdout)[0]["data"]["addr"].startswith("0.0.0.0")


def test_what_a_library_prints_does_not_reach_stdout(place: Place, tmp_path: Path) -> None:
    """A site hook prints at the exit; it must come out on stderr."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import atexit, os\natexit.register(lambda: os.write(1, b'noise\\n'))\n"
    )
    ended = run_peer(place.flags(), variables={"PYTHONPATH": str(hook)})
    assert ended.returncode == 0
    assert b"noise" not in ended.stdout
    assert b"noise\n" in ended.stderr


def test_a_stdin_that_does_not_block_is_no_end(place: Place) -> None:
    """A launcher that shares its stdin with the peer may have made it so."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with start_peer(place.flags(), stdin=reading) as peer:
        os.close(reading)
        assert peer.stdout is not None
        for number in range(20):  # it looks for more after each, and mostly finds none yet
            os.write(writing, json.dumps({"cmd": "status", "id": number}).encode() + b"\n")
            line = json.loads(peer.stdout.readline())
            while line["type"] == "event":
                line = json.loads(peer.stdout.readline())
            assert line["id"] == number
        os.close(writing)
        _, err = peer.communicate(timeout=TIMEOUT_S)
    assert (peer.returncode, err) == (0, b"")
