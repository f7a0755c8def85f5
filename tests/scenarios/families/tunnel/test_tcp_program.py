"""The programs at the ends of tunnels."""

import socket
import sys

import scenarios.families.tunnel.tcp_program as program
from scenarios.family import command_loop
from tests.headless.node_process import NodeProcess


def test_it_ends_though_somebody_does_not_read() -> None:
    node = NodeProcess(
        command_loop.__file__, program.__file__, "127.0.0.9", command=(sys.executable, "-P")
    )
    addr = node.ask("serve", name="flood", kind="flood")["addr"]
    host, _, port = addr.rpartition(":")
    with socket.create_connection((host, int(port))) as deaf:
        assert deaf.recv(1)  # it floods by now
        node.ask("shutdown")
        node.process.wait(20)
    assert node.end() == ""
