"""What is told of errors that nobody has handled."""

import asyncio

import pytest

from headless.run import _report


def test_an_exception_s_class_alone_is_told_by_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    loop = asyncio.new_event_loop()
    try:
        _report(loop, {"message": "SSL handshake failed", "exception": ConnectionResetError})
    finally:
        loop.close()
    assert capfd.readouterr().err == "SSL handshake failed: None\nConnectionResetError\n"
