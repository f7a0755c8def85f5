"""A tracker or a peer as a program."""

import sys
from collections.abc import Sequence
from functools import partial

from headless import program
from headless.output import Output
from headless.program import Program
from headless.service import Service
from sync_cli.ending import Ending
from sync_cli.messages import VOCABULARY
from sync_cli.settings import read_settings
from sync_cli.startup import Opened, open_node


def _serve(ending: Ending, opened: Opened, output: Output) -> Service:
    # Imported late: the service takes longer to import than the node takes to be ready.
    if opened.settings.role == "tracker":
        from sync_cli.tracker import Tracker

        return Tracker(opened, output)
    if opened.identity is None:
        from sync_cli.legacy.peer import LegacyPeer

        return LegacyPeer(opened, output, ending)
    from sync_cli.peer import Peer

    return Peer(opened, output)


def _key(arguments: Sequence[str]) -> None:
    from network.swarm_key import new_key

    if arguments:
        print("sync-cli: key takes no arguments; it prints a new key", file=sys.stderr)
        sys.exit(program.EXIT_CANNOT_START)
    print(new_key())


def main() -> None:
    """Run the node, or one of its tools; exits with 0, 2, or 1 if a legacy peer has no tracker."""
    ending = Ending()
    tools = {"key": _key}
    program.main(Program(VOCABULARY, read_settings, open_node, partial(_serve, ending), tools))
    sys.exit(ending.code)


if __name__ == "__main__":
    main()
