"""What a peer leaves at the relay, sealed with a key that follows from its fingerprint."""

import msgspec

from headless.errors import CodedError
from network.address import Address, parse_address
from pair_cli.addresses import MAX_ADDRESSES
from pair_cli.handshake import PROTOCOL_VERSION
from pair_cli.keys import (
    BadBlob,
    Keys,
    PublicKeys,
    blob_key,
    from_base64,
    open_blob,
    seal_blob,
    to_base64,
)


class IdentityMismatch(CodedError):  # noqa: N818 - reads well where it is raised and caught
    """A registration is not that of the fingerprint that was joined."""

    def __init__(self, text: str) -> None:
        super().__init__("identity-mismatch", text)


class _Listen(msgspec.Struct, frozen=True):
    ip: str
    port: int


class _Plain(msgspec.Struct, frozen=True):
    """The JSON in a blob. `listen` is the first of `addrs`, for readers that know only one."""

    fingerprint: str
    protocol: int
    x25519: str
    mlkem1024: str
    listen: _Listen
    addrs: list[str]


class Registration(msgspec.Struct, frozen=True):
    """The other's keys, which have its fingerprint, and where it may be reached."""

    keys: PublicKeys
    addresses: list[Address]


def seal_registration(keys: Keys, addresses: list[Address]) -> str:
    """Return the blob of one's own registration."""
    plain = _Plain(
        fingerprint=keys.fingerprint,
        protocol=PROTOCOL_VERSION,
        x25519=to_base64(keys.public.x25519),
        mlkem1024=to_base64(keys.public.mlkem),
        listen=_Listen(addresses[0].ip, addresses[0].port),
        addrs=[str(one) for one in addresses],
    )
    return seal_blob(blob_key(keys.fingerprint), msgspec.json.encode(plain))


def open_registration(blob: str, fingerprint: str) -> Registration:
    """Open the registration of a fingerprint. Raises IdentityMismatch."""
    try:
        plain = msgspec.json.decode(open_blob(blob_key(fingerprint), blob), type=_Plain)
    except BadBlob as error:
        raise IdentityMismatch(
            f"The registration at the relay is not the other's: {error}."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IdentityMismatch(f"The registration at the relay cannot be read: {error}.") from error
    keys = PublicKeys(from_base64(plain.x25519) or b"", from_base64(plain.mlkem1024) or b"")
    if keys.fingerprint != fingerprint:
        raise IdentityMismatch(
            "The registration at the relay has other keys than the fingerprint's: somebody stands "
            "between, or the fingerprint is old."
        )
    return Registration(keys, _addresses(plain.addrs))


def _addresses(texts: list[str]) -> list[Address]:
    found = []
    for text in texts[:MAX_ADDRESSES]:
        try:
            address = parse_address(text)
        except ValueError:
            continue  # of no use here, for example a link-local one
        if address.port and address not in found:
            found.append(address)
    return found
