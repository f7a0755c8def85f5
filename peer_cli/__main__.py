"""The peer's command line: starts it, feeds it, and sees that it exits cleanly.

What is imported here is imported before the peer is ready, so it is little (see startup).
"""

import os
import signal
import sys
from collections.abc import Sequence

from peer_cli.console import Output
from peer_cli.settings import read_settings
from peer_cli.startup import StartupError, open_peer

EXIT_CANNOT_START = 2


def main() -> None:
    """Run the peer, or print its schema; exits with 0 or 2."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["schema"]:
        _print_schema(arguments[1:])
        return
    settings = read_settings(arguments, os.environ)
    # Until the event loop handles them, these wait.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    # Only protocol lines may reach the real stdout, whatever a library prints.
    protocol_out = os.dup(1)
    os.dup2(2, 1)
    output = Output(protocol_out)
    try:
        opened = open_peer(settings, output.emit)
    except StartupError as error:
        print(f"peer-cli: {error}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    from peer_cli.run import run

    run(opened, output, ending)


def _print_schema(arguments: Sequence[str]) -> None:
    from peer_cli.schema import json_schema

    if arguments:
        print("peer-cli: schema takes no arguments", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    import json

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `peer-cli schema | head` ends quietly
    print(json.dumps(json_schema(), indent=2))


if __name__ == "__main__":
    main()
