"""The event loop of a tunnel node."""

import asyncio
import sys
from contextlib import closing

import pytest

from tunnel_cli.__main__ import _new_loop


def test_a_node_uses_the_quicker_loop() -> None:
    with closing(_new_loop()) as loop:
        assert type(loop).__module__ == "uvloop"


def test_where_there_is_none_a_node_uses_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with closing(_new_loop()) as loop:
        assert isinstance(loop, asyncio.BaseEventLoop)
