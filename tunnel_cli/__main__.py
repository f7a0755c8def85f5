"""A tunnel node as a program: a server, or a client."""

from headless import program
from headless.output import Output
from headless.program import Program
from headless.service import Service
from tunnel_cli.messages import VOCABULARY
from tunnel_cli.settings import read_settings
from tunnel_cli.startup import Opened, open_node


def _serve(opened: Opened, output: Output) -> Service:
    # Imported late: the service takes longer to import than the node takes to be ready.
    if opened.listening is not None:
        from tunnel_cli.server import Server

        return Server(opened.config, opened.listening, opened.tls, opened.pins, output.emit)
    from tunnel_cli.client import Client

    return Client(opened.config, opened.tls, opened.pins, output.emit)


def main() -> None:
    """Run the node; exits with 0 or 2."""
    program.main(Program(VOCABULARY, read_settings, open_node, _serve))


if __name__ == "__main__":
    main()
