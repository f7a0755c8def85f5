"""One direction of a channel: order, keys that change, and what does not open."""

import itertools

import pytest

from pair_cli.sealing import SECRET_BYTES, Altered, Sealing

SECRET = bytes(range(SECRET_BYTES))


def both(**limits: int) -> tuple[Sealing, Sealing]:
    return Sealing(SECRET, **limits), Sealing(SECRET, **limits)


def test_frames_open_in_order_and_are_all_different() -> None:
    sealing, opening = both()
    frames = [sealing.seal(b"same", b"head") for _ in range(100)]
    assert len(set(frames)) == 100
    assert [opening.open(memoryview(one), b"head") for one in frames] == [b"same"] * 100


@pytest.mark.parametrize("limits", [{"frames": 3}, {"most_bytes": 50}])
def test_the_key_changes_at_the_same_frame_on_both_sides(limits: dict[str, int]) -> None:
    sealing, opening = both(**limits)
    unchanged = Sealing(SECRET)
    frames = [sealing.seal(b"same", b"") for _ in range(20)]
    assert [opening.open(memoryview(one), b"") for one in frames] == [b"same"] * 20
    old = [unchanged.seal(b"same", b"") for _ in range(20)]
    assert old[:2] == frames[:2]
    assert not set(old[4:]) & set(frames[4:])


def test_no_nonce_is_used_twice_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    sealing = Sealing(SECRET, frames=5)
    nonce = Sealing._nonce

    def noted(self: Sealing) -> bytes:
        used.append((self._secret, nonce(self)))
        return nonce(self)

    monkeypatch.setattr(Sealing, "_nonce", noted)
    for _ in range(23):
        sealing.seal(b"", b"")
    assert len(set(used)) == len(used) == 23


def test_what_is_altered_repeated_left_out_or_swapped_does_not_open() -> None:
    sealing, _ = both()
    first, second = sealing.seal(b"first", b"head"), sealing.seal(b"second", b"head")
    for position in range(len(first)):
        altered = bytearray(first)
        altered[position] ^= 1
        with pytest.raises(Altered):
            Sealing(SECRET).open(memoryview(altered), b"head")
    with pytest.raises(Altered):
        Sealing(SECRET).open(memoryview(first), b"Head")
    with pytest.raises(Altered):
        Sealing(SECRET).open(memoryview(second), b"head")
    for order in itertools.permutations([first, second, first], 2):
        if order != (first, second):
            opening = Sealing(SECRET)
            with pytest.raises(Altered):
                [opening.open(memoryview(one), b"head") for one in order]
