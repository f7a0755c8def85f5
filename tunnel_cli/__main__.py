"""A tunnel node as a program: a server, or a client."""

from typing import TYPE_CHECKING

from headless import program
from headless.output import Output
from headless.program import Program
from headless.service import Service
from tunnel_cli.messages import VOCABULARY
from tunnel_cli.settings import read_settings
from tunnel_cli.startup import Opened, open_node

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


def _serve(opened: Opened, output: Output) -> Service:
    # Imported late: the service takes longer to import than the node takes to be ready.
    if opened.listening is not None:
        from tunnel_cli.server import Server

        return Server(opened.config, opened.listening, opened.tls, opened.pins, output.emit)
    from tunnel_cli.client import Client

    return Client(opened.config, opened.tls, opened.pins, output.emit)


def _new_loop() -> "AbstractEventLoop":
    # To open a stream takes many small steps, which cost a third less than on asyncio's own loop.
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        import asyncio

        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main() -> None:
    """Run the node; exits with 0 or 2."""
    program.main(Program(VOCABULARY, read_settings, open_node, _serve, new_loop=_new_loop))


if __name__ == "__main__":
    main()
