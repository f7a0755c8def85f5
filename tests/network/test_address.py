import pytest

from peer_cli.network.address import Address, parse_address


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
