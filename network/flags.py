"""Reads the values of flags that several programs have: addresses and rates."""

import argparse

from network.address import Address, parse_address
from network.limits import parse_rate


def listen_address(text: str) -> Address:
    """Parse "ADDR" or "ADDR:PORT"; port 0 means any. Raises argparse.ArgumentTypeError."""
    try:
        return parse_address(text, default_port=0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def rate(text: str) -> int:
    """Parse bytes per second, such as "80MiB". Raises argparse.ArgumentTypeError."""
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
