"""The handshake: what leads to a common secret, and everything that must not."""

import pytest

from pair_cli.handshake import HELLO_BYTES, Handshake, HandshakeError, Role, Secured
from pair_cli.keys import Keys, PublicKeys, keys_of, new_keys
from pair_cli.sealing import Altered

ALICE, BOB, EVE = (keys_of(bytes([number]) * 96) for number in (1, 2, 3))


def shake(role: Role, own: Keys, other: PublicKeys) -> Handshake:
    return Handshake(role, own, other)


def agree(one: Secured, other: Secured) -> bool:
    """Whether both directions open at the other end."""
    for sending, receiving in ((one.sending, other.receiving), (other.sending, one.receiving)):
        try:
            receiving.open(memoryview(sending.seal(b"x", b"")), b"")
        except Altered:
            return False
    return True


def test_both_agree_whoever_dials() -> None:
    for first, second in ((ALICE, BOB), (BOB, ALICE)):
        one = shake("dialling", first, second.public)
        other = shake("accepting", second, first.public)
        assert len(one.hello) == len(other.hello) == HELLO_BYTES
        assert agree(one.finish(other.hello), other.finish(one.hello))


def test_every_handshake_has_secrets_of_its_own() -> None:
    frames = set()
    for _ in range(3):
        one, other = shake("dialling", ALICE, BOB.public), shake("accepting", BOB, ALICE.public)
        secured = one.finish(other.hello)
        frames |= {secured.sending.seal(b"x", b""), secured.receiving.seal(b"x", b"")}
    assert len(frames) == 6


def test_the_hello_says_nothing_of_the_keys() -> None:
    hello = shake("dialling", ALICE, BOB.public).hello
    for keys in (ALICE, BOB):
        assert keys.public.x25519 not in hello
        assert keys.public.mlkem[:32] not in hello


@pytest.mark.parametrize(("claimed", "believed"), [(ALICE, EVE), (EVE, ALICE)])
def test_other_keys_than_the_expected_ones_lead_nowhere(claimed: Keys, believed: Keys) -> None:
    one = shake("dialling", claimed, BOB.public)
    other = shake("accepting", BOB, believed.public)
    assert not agree(one.finish(other.hello), other.finish(one.hello))


@pytest.mark.parametrize("half", ["x25519", "mlkem"])
def test_half_of_the_keys_is_not_enough(half: str) -> None:
    mixed = Keys(
        EVE.x25519 if half == "mlkem" else ALICE.x25519,
        EVE.mlkem if half == "x25519" else ALICE.mlkem,
        ALICE.public,
        ALICE.fingerprint,
    )
    one, other = shake("dialling", mixed, BOB.public), shake("accepting", BOB, ALICE.public)
    assert not agree(one.finish(other.hello), other.finish(one.hello))


@pytest.mark.parametrize("position", [8, 39, 40, HELLO_BYTES - 1])
def test_an_altered_hello_leads_nowhere(position: int) -> None:
    one, other = shake("dialling", ALICE, BOB.public), shake("accepting", BOB, ALICE.public)
    altered = bytearray(one.hello)
    altered[position] ^= 1
    assert not agree(one.finish(other.hello), other.finish(bytes(altered)))


@pytest.mark.parametrize(
    ("position", "reason"), [(0, "no peer"), (4, "protocol"), (5, "wrong role")]
)
def test_a_wrong_head_is_told_apart(position: int, reason: str) -> None:
    hello = bytearray(shake("dialling", ALICE, BOB.public).hello)
    hello[position] ^= 1
    with pytest.raises(HandshakeError, match=reason):
        shake("accepting", BOB, ALICE.public).finish(bytes(hello))


def test_a_reflected_hello_is_refused() -> None:
    one = shake("dialling", ALICE, BOB.public)
    with pytest.raises(HandshakeError, match="came back"):
        one.finish(one.hello)
    turned = bytearray(one.hello)
    turned[5] = 2  # reflected with the other role
    fake = one.finish(bytes(turned))
    with pytest.raises(Altered):  # what it seals does not open when it comes back
        fake.receiving.open(memoryview(fake.sending.seal(b"x", b"")), b"")


def test_a_replayed_hello_leads_to_other_secrets() -> None:
    recorded = shake("dialling", ALICE, BOB.public)
    first = shake("accepting", BOB, ALICE.public)
    sealed = recorded.finish(first.hello).sending.seal(b"confirm", b"")
    second = shake("accepting", BOB, ALICE.public).finish(recorded.hello)
    with pytest.raises(Altered):
        second.receiving.open(memoryview(sealed), b"")


def test_a_key_of_low_order_is_refused() -> None:
    one, other = shake("dialling", ALICE, BOB.public), shake("accepting", BOB, ALICE.public)
    zero = other.hello[:8] + bytes(32) + other.hello[40:]
    with pytest.raises(HandshakeError, match="cannot be used"):
        one.finish(zero)


def test_new_keys_differ() -> None:
    assert new_keys().fingerprint != new_keys().fingerprint
