"""Which link-local address a program gets to listen at."""

import pytest

from scenarios.family.link_local import usable

LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n"
GLOBAL = "fd000000000000000000000000000002 04 40 00 82     eth0\n"
TENTATIVE = "fe800000000000000000000000000003 04 40 20 c0     eth0\n"
CLASHES = "fe800000000000000000000000000003 04 40 20 88     eth0\n"
USABLE = "fe800000000000000000000000000003 04 40 20 80     eth0\n"
LATER = "fe800000000000000000000000000001 1f 40 20 80 br-a.b\n"


@pytest.mark.parametrize(
    ("table", "address"),
    [
        ("", ""),
        (LOOPBACK + GLOBAL, ""),
        (TENTATIVE + LOOPBACK, ""),
        (CLASHES + LOOPBACK, ""),
        (LOOPBACK + USABLE, "fe80::3%eth0"),
        (LATER + USABLE, "fe80::3%eth0"),  # of the first interface, not of the first line
        (LATER + TENTATIVE, "fe80::1%br-a.b"),
    ],
)
def test_the_usable_address_of_the_first_interface(table: str, address: str) -> None:
    assert usable(table) == address
