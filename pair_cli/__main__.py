"""`pair-cli relay` and `pair-cli peer` as programs."""

from headless import program
from headless.output import Output
from headless.program import Program
from headless.service import Service
from pair_cli.messages import VOCABULARY
from pair_cli.settings import read_settings
from pair_cli.startup import Opened, OpenedRelay, open_program


def _serve(opened: Opened, output: Output) -> Service:
    # Imported late: the services take longer to import than a program takes to be ready.
    if isinstance(opened, OpenedRelay):
        from pair_cli.relay import Relay

        return Relay(*opened, output.emit)
    from pair_cli.peer import Peer

    return Peer(opened, output)


def main() -> None:
    """Run the relay or peer; exits with 0 or 2."""
    program.main(Program(VOCABULARY, read_settings, open_program, _serve))


if __name__ == "__main__":
    main()
