import json

import pytest

from sync_cli.legacy import wire
from sync_cli.legacy.directory import Directory, Place
from sync_cli.legacy.wire import Holder


def test_the_bytes_on_the_wire() -> None:
    assert (
        wire.encode_announcement(8001, {"a.txt": 1772046425})
        == b'{"port": 8001, "files": [{"name": "a.txt", "mtime": 1772046425}]}\n'
    )
    assert wire.encode_announcement(8001, {}) == b'{"port": 8001, "files": []}\n'
    assert wire.encode_announcement(8001) == b'{"port": 8001}\n'
    assert (
        wire.encode_directory({"a.txt": Holder("127.0.0.1", 8001, 1772046425)})
        == b'{"a.txt": {"ip": "127.0.0.1", "port": 8001, "mtime": 1772046425}}\n'
    )
    assert wire.encode_directory({}) == b"{}\n"
    assert wire.encode_header(0) == b"Content-Length: 0\n"
    assert wire.encode_announcement(1, {"é": 1}).isascii()


@pytest.mark.parametrize("name", ["a.txt", "é", "\udcff", ".hidden", "back\\slash", "x" * 255])
def test_names_come_back_as_they_were(name: str) -> None:
    line = wire.encode_announcement(8001, {name: 7}).rstrip(b"\n")
    assert wire.decode_announcement(line).files == {name: 7}
    answer = wire.encode_directory({name: Holder("127.0.0.1", 1, 7)}).rstrip(b"\n")
    assert wire.decode_directory(answer).files == {name: Holder("127.0.0.1", 1, 7)}
    assert wire.decode_request(wire.encode_request(name).rstrip(b"\n")) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\nb", "a\0b", "x.py", "x.so", "x.dll",
     ".sync", "x" * 256, "é" * 128, "\ud800"],
)  # fmt: skip
def test_a_hostile_name_is_left_out_and_the_rest_is_used(name: str) -> None:
    entry = {"ip": "127.0.0.1", "port": 1, "mtime": 7}
    line = json.dumps({name: entry, "fine": entry}).encode()
    directory = wire.decode_directory(line)
    assert list(directory.files) == ["fine"]
    assert len(directory.refused) == 1


@pytest.mark.parametrize(
    "entry",
    [
        None, [], {}, {"ip": "127.0.0.1", "port": "1", "mtime": 7},
        {"ip": "127.0.0.1", "port": 1, "mtime": "7"}, {"ip": 1, "port": 1, "mtime": 7},
        {"ip": "127.0.0.1", "port": 0, "mtime": 7}, {"ip": "127.0.0.1", "port": 70000, "mtime": 7},
        {"ip": "127.0.0.1", "port": True, "mtime": 7}, {"ip": "127.0.0.1", "port": 1, "mtime": 7.5},
        {"ip": "127.0.0.1", "port": 1, "mtime": 10**30},
    ],
)  # fmt: skip
def test_a_wrong_entry_is_left_out(entry: object) -> None:
    directory = wire.decode_directory(json.dumps({"a": entry}).encode())
    assert not directory.files
    assert len(directory.refused) == 1


@pytest.mark.parametrize("line", [b"hello", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"a":'])
def test_nonsense_is_refused(line: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_directory(line)
    with pytest.raises(wire.WireError):
        wire.decode_announcement(line)


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b'{"port": "8001"}', b'{"port": 0}', b'{"port": true}', b'{"port": 1, "files": {}}',
        b'{"port": 1, "files": [1]}', b'{"port": 1, "files": [{"name": 1, "mtime": 1}]}',
        b'{"port": 1, "files": [{"name": "a", "mtime": "1"}]}',
    ],
)  # fmt: skip
def test_a_wrong_announcement_is_refused(line: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_announcement(line)


def test_headers() -> None:
    assert wire.decode_header(b"Content-Length: 20") == 20
    for line in (b"Content-Length: -1", b"Content-Length: 1e3", b"content-length: 1", b"",
                 b"Content-Length: 9223372036854775808", b"Content-Length: \xd9\xa1"):  # fmt: skip
        with pytest.raises(wire.WireError):
            wire.decode_header(line)


def test_the_newest_holder_is_in_the_directory() -> None:
    directory = Directory()
    one, two = Place("10.0.0.1", 1), Place("10.0.0.2", 2)
    directory.announce(one, {"a": 5, "b": 5})
    directory.announce(two, {"a": 5, "b": 6})
    assert directory.files == {"a": Holder("10.0.0.1", 1, 5), "b": Holder("10.0.0.2", 2, 6)}
    assert directory.forget(one)
    assert directory.files == {"b": Holder("10.0.0.2", 2, 6)}
    assert not directory.forget(one)
