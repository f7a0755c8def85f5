"""A system that lacks descriptors for a while."""

import errno
import os
import socket

import pytest

from network import descriptors


def exhaust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next accepts fail: twice for want of descriptors, once for a connection's own."""
    monkeypatch.setattr(descriptors, "PAUSE_S", 0.01)
    real, failures = socket.socket.accept, [errno.EMFILE, errno.ENFILE, errno.ECONNABORTED]

    def accept(listening: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise OSError(failures[0], os.strerror(failures.pop(0)))
        return real(listening)

    monkeypatch.setattr(socket.socket, "accept", accept)
