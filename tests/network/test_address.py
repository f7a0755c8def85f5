import pytest

from network.address import Address, address_of, parse_address, reaches_directly


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("127.0.0.2:4000", ("127.0.0.2", 4000), "127.0.0.2:4000"),
        (" 127.0.0.2:4000 ", ("127.0.0.2", 4000), "127.0.0.2:4000"),
        ("[::1]:4000", ("::1", 4000), "[::1]:4000"),
        ("[0:0::1]:4000", ("::1", 4000), "[::1]:4000"),
        ("1.2.3.4:0", ("1.2.3.4", 0), "1.2.3.4:0"),
        ("1.2.3.4:65535", ("1.2.3.4", 65535), "1.2.3.4:65535"),
    ],
)
def test_addresses_people_write(text: str, address: tuple[str, int], shown: str) -> None:
    parsed = parse_address(text)
    assert parsed == address
    assert str(parsed) == shown
    assert parse_address(shown) == parsed


@pytest.mark.parametrize(
    "text",
    ["", ":", "1.2.3.4", "1.2.3.4:", ":4000", "host:4000", "1.2.3:4000", "1.2.3.4:x", "1.2.3.4:1.5",
     "01.2.3.4:5", "1.2.3.4:5:6", "[::1]", "http://1.2.3.4:80"],
)  # fmt: skip
def test_what_is_no_address_gets_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected IP:port, e.g. 127.0.0.2:4000"):
        parse_address(text)


@pytest.mark.parametrize("port", [-1, 65536, 10**30])
def test_ports_have_bounds(port: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 65535"):
        parse_address(f"1.2.3.4:{port}")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", ("1.2.3.4", 7)),
        ("1.2.3.4:5", ("1.2.3.4", 5)),
        ("::1", ("::1", 7)),
        ("[::1]", ("::1", 7)),
        ("[::1]:5", ("::1", 5)),
    ],
)
def test_a_default_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, default_port=7) == address


def test_addresses_order_as_numbers() -> None:
    texts = ["10.0.0.9:80", "10.0.0.10:5", "9.9.9.9:99", "[::1]:1", "10.0.0.9:9"]
    ordered = sorted(map(parse_address, texts), key=Address.sort_key)
    assert list(map(str, ordered)) == [
        "9.9.9.9:99",
        "10.0.0.9:9",
        "10.0.0.9:80",
        "10.0.0.10:5",
        "[::1]:1",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[::ffff:127.0.0.1]:4000", "127.0.0.1:4000"),
        ("[::ffff:7f00:1]:4000", "127.0.0.1:4000"),
        ("[fe80::1%lo]:4000", "[fe80::1%lo]:4000"),
        ("[fe80:0::1%1]:4000", "[fe80::1%lo]:4000"),  # Linux: the first interface is loopback
        ("[2001:db8::1%lo]:4000", "[2001:db8::1]:4000"),
    ],
)
def test_one_host_has_one_spelling(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown
    assert parse_address(shown) == parse_address(text)


def test_a_link_local_address_needs_its_interface() -> None:
    with pytest.raises(ValueError, match=r"as in \[fe80::1%eth0\]:4000"):
        parse_address("[fe80::1]:4000")
    with pytest.raises(ValueError, match="no network interface 99999 here"):
        parse_address("[fe80::1%99999]:4000")


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (("10.0.0.1", 5), Address("10.0.0.1", 5)),
        (("::ffff:10.0.0.1", 5, 0, 0), Address("10.0.0.1", 5)),
        (("::1", 5, 0, 0), Address("::1", 5)),
        (("fe80::1", 5, 0, 1), Address("fe80::1%lo", 5)),
        (("fe80::1%lo", 5, 0, 1), Address("fe80::1%lo", 5)),
    ],
)
def test_what_sockets_tell(told: tuple[object, ...], address: Address) -> None:
    assert address_of(told) == address


def test_what_sockets_take() -> None:
    assert Address("10.0.0.1", 5).for_socket() == ("10.0.0.1", 5)
    assert Address("::1", 5).for_socket() == ("::1", 5, 0, 0)
    assert Address("fe80::1%lo", 5).for_socket() == ("fe80::1", 5, 0, 1)
    with pytest.raises(OSError, match=r"."):
        Address("fe80::1%gone", 5).for_socket()


@pytest.mark.parametrize(
    ("own", "other", "reached"),
    [
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("127.0.0.2", "127.0.0.3", True),
        ("10.0.0.1", "::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("fe80::1%eth0", "fe80::2%eth1", False),
        ("fe80::1%eth0", "2001:db8::1", False),
    ],
)
def test_from_where_to_connect(own: str, other: str, reached: bool) -> None:
    assert reaches_directly(own, other) is reached
