import io

import pytest

from peer_cli.transfer.sealing import SEALED_BYTES, Opener, Sealer, SealError

KEY = bytes(range(32))
DATA = bytes(range(256)) * 40


def opened(sealed: bytes | memoryview, portion: int = 1 << 16, key: bytes = KEY) -> bytes:
    opener = Opener(io.BytesIO(sealed).readinto, key)
    memory = memoryview(bytearray(portion))
    found = b""
    while count := opener.read_into(memory):
        found += bytes(memory[:count])
    return found


@pytest.mark.parametrize("portion", [1, 7, 1000, 1 << 20])
def test_what_is_sealed_can_be_opened_in_any_portions(portion: int) -> None:
    sealer = Sealer(KEY)
    parts = DATA[:1], DATA[1:5000], DATA[5000:]
    sealed = b"".join(bytes(sealer.seal(memoryview(part))) for part in parts)
    assert DATA[1000:1100] not in sealed
    assert opened(sealed, portion) == DATA


def test_the_largest_record_can_be_opened() -> None:
    assert len(opened(Sealer(KEY).seal(memoryview(bytes(SEALED_BYTES))))) == SEALED_BYTES


def test_changed_repeated_or_foreign_records_are_refused() -> None:
    sealer = Sealer(KEY)
    one, two = (bytes(sealer.seal(memoryview(part))) for part in (DATA[:100], DATA[100:200]))
    for sealed, key in [
        (one[:-1] + bytes([one[-1] ^ 1]), KEY),
        (one + one, KEY),
        (two, KEY),
        (one, bytes(32)),
        (one[:50], KEY),
        (one[:2], KEY),
        ((1 << 30).to_bytes(4, "big") + one[4:], KEY),
        ((16).to_bytes(4, "big") + one[4:], KEY),
    ]:
        with pytest.raises(SealError):
            opened(sealed, key=key)
