import asyncio
import random
import tracemalloc
from typing import Any

import msgspec
import pytest

from peer_cli.library.scan import scan_game
from peer_cli.network import wire
from tests.peer_cli.network.session_pair import read_message
from tests.peer_cli.network.tls_pair import run

GAME = {
    "type": "game",
    "id": "g",
    "version": "1",
    "availability": "Ready",
    "downloaded": True,
    "installed": False,
    "size": 5,
}
HELLO = {
    "type": "hello",
    "protocol": 1,
    "public_key": bytes(32),
    "nonce": bytes(32),
    "name": "n",
    "port": 1,
}
FILE = {"path": "a", "size": 5, "blocks": [bytes(32)]}
MANIFEST = {"type": "manifest", "request": 1, "game_id": "g", "version": "1", "files": [FILE]}
RANGE = {"path": "a", "offset": 0, "length": 5}
OPEN = {"type": "open-transfer", "request": 1, "game_id": "g", "version": "1", "ranges": [RANGE]}


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def packed(message: Any) -> bytes:
    return frame(msgspec.msgpack.encode(message))


def read(data: bytes, *, handshake: bool = False) -> wire.HandshakeMessage | wire.SessionMessage:
    async def reading() -> wire.HandshakeMessage | wire.SessionMessage:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        if handshake:
            return (await wire.read_handshake_message(reader))[0]
        message = await read_message(reader)
        assert message is not None
        return message

    return run(reading)


MESSAGES: list[wire.Message] = [
    wire.Library(games=[msgspec.convert(GAME, wire.Game)]),
    wire.Ping(),
    wire.Goodbye(),
    wire.GetManifest(request=1, game_id="g"),
    wire.Hashing(request=1, done=1, total=2),
    msgspec.convert(MANIFEST, wire.ManifestReply),
    msgspec.convert(OPEN, wire.OpenTransfer),
    wire.OpenStream(request=1, game_id="g", version="1"),
    wire.Ticket(request=-1, ticket=bytes(32)),
    wire.Denied(request=1 << 60, code="busy", reason="Later."),
]
HANDSHAKE_MESSAGES: list[wire.Message] = [
    msgspec.convert(HELLO, wire.Hello),
    wire.Proof(signature=bytes(64), swarm=bytes(32)),
    wire.Refused(code="bad-proof", reason="No."),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_messages_of_a_session_pass_as_they_are(message: wire.Message) -> None:
    assert read(wire.encode_frame(message)) == message
    with pytest.raises(wire.WireError):
        read(wire.encode_frame(message), handshake=True)


@pytest.mark.parametrize("message", HANDSHAKE_MESSAGES, ids=lambda m: type(m).__name__)
def test_messages_of_the_handshake_pass_only_there(message: wire.Message) -> None:
    assert read(wire.encode_frame(message), handshake=True) == message
    if isinstance(message, wire.Refused):
        assert read(wire.encode_frame(message)) == message
        return
    with pytest.raises(wire.WireError):
        read(wire.encode_frame(message))


def test_a_frame_is_a_length_and_a_map_with_its_type() -> None:
    encoded = wire.encode_frame(wire.Hashing(request=1, done=2, total=3))
    assert int.from_bytes(encoded[:4], "big") == len(encoded) - 4
    assert msgspec.msgpack.decode(encoded[4:]) == {
        "type": "hashing",
        "request": 1,
        "done": 2,
        "total": 3,
    }


def test_fields_that_a_later_version_adds_do_not_matter() -> None:
    assert read(packed({"type": "ping", "mood": "good"})) == wire.Ping()


@pytest.mark.parametrize("handshake", [True, False])
def test_a_frame_over_the_limit_is_refused_before_it_is_read(handshake: bool) -> None:
    limit = 64 << 10 if handshake else 16 << 20
    with pytest.raises(wire.WireError, match=f"{limit + 1} bytes is over the limit of {limit}"):
        read((limit + 1).to_bytes(4, "big"), handshake=handshake)
    with pytest.raises(EOFError):  # this one would be read
        read(limit.to_bytes(4, "big"), handshake=handshake)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 5])
def test_an_end_within_a_frame_is_an_end(cut: int) -> None:
    with pytest.raises(EOFError):
        read(wire.encode_frame(wire.Ping())[:cut])


BAD_PAYLOADS: list[tuple[str, Any]] = [
    ("no map", []),
    ("no map", "ping"),
    ("no type", {}),
    ("no type", {"request": 1, "game_id": "g"}),
    ("unknown type", {"type": "fly"}),
    ("type is no text", {"type": 5}),
    ("lacks a field", {"type": "get-manifest", "request": 1}),
    ("wrong kind", {"type": "get-manifest", "request": "1", "game_id": "g"}),
    ("wrong kind", {"type": "get-manifest", "request": 1, "game_id": b"g"}),
    ("empty id", {"type": "get-manifest", "request": 1, "game_id": ""}),
    ("long id", {"type": "get-manifest", "request": 1, "game_id": "g" * 256}),
    ("negative size", {"type": "library", "games": [GAME | {"size": -1}]}),
    ("huge size", {"type": "library", "games": [GAME | {"size": 1 << 63}]}),
    ("long version", {"type": "library", "games": [GAME | {"version": "v" * 4097}]}),
    ("too many games", {"type": "library", "games": [GAME] * 10_001}),
    ("short ticket", {"type": "ticket", "request": 1, "ticket": bytes(31)}),
    ("long ticket", {"type": "ticket", "request": 1, "ticket": bytes(33)}),
    ("long reason", {"type": "denied", "request": 1, "code": "no", "reason": "x" * 1001}),
    ("no ranges", OPEN | {"ranges": []}),
    ("too many ranges", OPEN | {"ranges": [RANGE] * 1025}),
    ("negative offset", OPEN | {"ranges": [RANGE | {"offset": -1}]}),
    ("negative length", OPEN | {"ranges": [RANGE | {"length": -1}]}),
    ("long path", OPEN | {"ranges": [RANGE | {"path": "p" * 4097}]}),
    ("empty path", OPEN | {"ranges": [RANGE | {"path": ""}]}),
    ("short hash", MANIFEST | {"files": [FILE | {"blocks": [bytes(31)]}]}),
    ("hash is text", MANIFEST | {"files": [FILE | {"blocks": ["0" * 32]}]}),
    ("negative size", MANIFEST | {"files": [FILE | {"size": -1}]}),
    ("float size", MANIFEST | {"files": [FILE | {"size": 1.5}]}),
]


@pytest.mark.parametrize(("why", "message"), BAD_PAYLOADS, ids=[why for why, _ in BAD_PAYLOADS])
def test_bad_messages_are_refused(why: str, message: Any) -> None:
    with pytest.raises(wire.WireError, match="does not hold a known message"):
        read(packed(message))


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": bytes(31)},
        {"nonce": bytes(33)},
        {"name": ""},
        {"name": "n" * 201},
        {"port": 0},
        {"port": 65536},
        {"protocol": "1"},
    ],
    ids=str,
)
def test_bad_hellos_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        read(packed(HELLO | change), handshake=True)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x91" * 60_000,
        msgspec.msgpack.encode({"type": "ping"}) + b"\0",
        msgspec.msgpack.encode({"type": "ping"})[:-1],
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
    ],
    ids=["empty", "reserved", "deep", "trailing", "cut", "huge array", "huge map"],
)
def test_payloads_that_are_no_msgpack_are_refused(payload: bytes) -> None:
    with pytest.raises(wire.WireError):
        read(frame(payload))
    with pytest.raises(wire.WireError):
        read(frame(payload), handshake=True)


def test_text_that_is_no_utf_8_is_refused() -> None:
    good = msgspec.msgpack.encode({"type": "get-manifest", "request": 1, "game_id": "abcd"})
    with pytest.raises(wire.WireError):
        read(frame(good.replace(b"abcd", b"\xff\xfe\xff\xff")))


def test_random_bytes_are_never_more_than_a_wire_error() -> None:
    random_ = random.Random(2)
    good = [wire.encode_frame(message)[4:] for message in MESSAGES]
    refused = 0

    async def read_all() -> None:
        nonlocal refused
        for _ in range(3000):
            payload = bytearray(random_.choice(good))
            for _ in range(random_.randrange(1, 4)):
                # Below 0x80: what is no UTF-8 has a test of its own.
                payload[random_.randrange(len(payload))] = random_.randrange(128)
            reader = asyncio.StreamReader()
            reader.feed_data(frame(bytes(payload)))
            reader.feed_eof()
            try:
                await read_message(reader)
            except wire.WireError:
                refused += 1

    run(read_all)
    assert refused > 1000


def test_whatever_version_the_own_library_shows_others_can_read(tmp_path: Any) -> None:
    root = tmp_path / "g"
    root.mkdir()
    (root / "version.ini").write_text("v" * 4096)
    game = scan_game(root)
    assert game is not None
    advertised = wire.Game(
        id=game.id,
        version=game.version,
        availability=game.availability,
        downloaded=True,
        installed=False,
        size=game.size,
    )
    read(wire.encode_frame(wire.Library(games=[advertised])))


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ({"type": "library", "games": []}, 1 << 20),
        ({"type": "open-transfer"}, 1 << 20),
        ({"type": "manifest"}, 16 << 20),
        ({"type": "ping"}, 64 << 10),
        ({"type": "get-manifest"}, 64 << 10),
        ({"type": "denied"}, 64 << 10),
        ({"games": [], "type": "library"}, 64 << 10),  # the type comes first in large ones
        ([], 64 << 10),
    ],
)
def test_each_kind_of_message_has_its_limit(message: Any, limit: int) -> None:
    head = msgspec.msgpack.encode(message).ljust(64, b"\0")
    with pytest.raises(wire.WireError, match=f"{limit + 1} bytes is over the limit of {limit}"):
        read((limit + 1).to_bytes(4, "big") + head)
    with pytest.raises(EOFError):  # this one would be read
        read(limit.to_bytes(4, "big") + head)


def test_a_map_of_any_header_may_be_large() -> None:
    payload = msgspec.msgpack.encode({"type": "manifest"})
    for header in (b"\x81", b"\xde\x00\x01", b"\xdf\x00\x00\x00\x01"):
        with pytest.raises(EOFError):
            read((1 << 24).to_bytes(4, "big") + (header + payload[1:]).ljust(64, b"\0"))


def test_nothing_is_kept_of_a_manifest_that_nobody_waits_for() -> None:
    def head_of(size: int) -> bytes:
        return size.to_bytes(4, "big") + b"\x81\xa4type\xa8manifest".ljust(64, b"\0")

    async def scenario() -> int:
        size, part = 16 << 20, 64 << 10
        reader = asyncio.StreamReader()
        reader.feed_data(head_of(size))
        head = await wire.read_head(reader)
        reading = asyncio.create_task(wire.read_rest(reader, head, manifest_due=lambda: False))
        tracemalloc.start()
        for at in range(64, size, part):
            reader.feed_data(bytes(min(part, size - at)))
            await asyncio.sleep(0)  # let it be read
        assert await reading is None
        return tracemalloc.get_traced_memory()[1]

    try:
        assert run(scenario) < 4 << 20
    finally:
        tracemalloc.stop()


def test_texts_that_are_shown_are_clean() -> None:
    evil, clean = "\x1b[2Ja\u202eb\n", "\ufffd[2Ja\ufffdb\ufffd"
    hello = read(packed({**HELLO, "name": evil}), handshake=True)
    assert isinstance(hello, wire.Hello)
    assert hello.name == clean
    library = read(packed({"type": "library", "games": [{**GAME, "id": evil, "version": evil}]}))
    assert isinstance(library, wire.Library)
    assert (library.games[0].id, library.games[0].version) == (clean, clean)
    for kind in ("denied", "refused"):
        told = read(packed({"type": kind, "request": 1, "code": evil, "reason": evil}))
        assert isinstance(told, wire.Denied | wire.Refused)
        assert (told.code, told.reason) == (clean, clean)


def test_a_library_is_told_as_far_as_it_fits() -> None:
    game = msgspec.convert(GAME, wire.Game)
    assert wire.fitting_games([game] * 10_000) == [game] * 10_000
    assert wire.fitting_games([game] * 10_001) == [game] * 10_000
    long = msgspec.structs.replace(game, version="v" * 4000)
    fitting = wire.fitting_games([long] * 1000)
    assert 150 < len(fitting) < 262
    frame = wire.encode_frame(wire.Library(games=fitting))
    assert read(frame) == wire.Library(games=fitting)
