import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel_cli import wire
from tunnel_cli.wire import Challenge, Hello, Kind, ProtocolError


def read(message: bytes) -> list[tuple[Kind, int, bytes]]:
    return [(kind, stream, bytes(data)) for kind, stream, data in wire.frames(memoryview(message))]


@given(
    st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=200)))
)
def test_what_is_written_is_read(frames: list[tuple[Kind, int, bytes]]) -> None:
    assert read(b"".join(wire.encode(*frame) for frame in frames)) == frames


@given(st.binary(max_size=300))
def test_garbage_is_read_or_refused(message: bytes) -> None:
    try:
        read(message)
    except ProtocolError:
        return


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"\x12\0\0", "cut off"),
        (wire.HEADER.pack(Kind.DATA, 1, 4 << 30 - 1), "longer than its message"),
        (wire.HEADER.pack(99, 1, 0), "no kind 99"),
        (wire.encode(Kind.OPEN, 1, bytes(wire.MAX_CONTROL + 1)), "has 4097 bytes"),
        (wire.encode(Kind.DATA, 1, bytes(wire.MAX_DATA + 1)), "has 131073 bytes"),
    ],
)
def test_what_is_wrong_is_said(message: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        read(message)


def test_a_control_frame_that_is_no_json_is_refused() -> None:
    [frame] = wire.frames(memoryview(wire.encode(Kind.HELLO, 0, b'{"protocol": "one"}')))
    with pytest.raises(ProtocolError, match="HELLO cannot be read"):
        wire.decode_control(frame, Hello)


def test_proofs_depend_on_token_role_nonces_and_id() -> None:
    challenge, hello = Challenge(1, "aa"), Hello(1, 1, "bb", "")
    proofs = {
        wire.proof("token", "client", challenge, hello),
        wire.proof("other", "client", challenge, hello),
        wire.proof("token", "server", challenge, hello),
        wire.proof("token", "client", Challenge(1, "ab"), hello),
        wire.proof("token", "client", challenge, Hello(1, 1, "bc", "")),
        wire.proof("token", "client", challenge, Hello(1, 2, "bb", "")),
    }
    assert len(proofs) == 6
