"""A program's life cycle: flags, start, ready, service, graceful end.

Everything imported here delays the ready event, so it is little.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

from headless import diagnostics
from headless.envelope import Event
from headless.output import Output
from headless.service import Service
from headless.vocabulary import Vocabulary

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

EXIT_CANNOT_START = 2

Emit: TypeAlias = Callable[[Event], None]
SettingsT = TypeVar("SettingsT")
OpenedT = TypeVar("OpenedT")


class StartupError(Exception):
    """The program cannot start; the message is one clear line."""


class Program(NamedTuple, Generic[SettingsT, OpenedT]):
    """A headless program.

    `open` opens what the program needs to be ready and emits its ready event; it raises
    StartupError. `serve` builds the service from that, on the event loop, and may import what
    `open` did not need. `tools` are other uses of the command line, by their first word; each gets
    the arguments after it. Every program has the additional tool `schema`. `new_loop` makes an
    event loop other than asyncio's own.
    """

    vocabulary: Vocabulary
    read_settings: Callable[[Sequence[str], Mapping[str, str]], SettingsT]
    open: Callable[[SettingsT, Emit], OpenedT]
    serve: Callable[[OpenedT, Output], Service]
    tools: Mapping[str, Callable[[Sequence[str]], None]] = MappingProxyType({})
    new_loop: "Callable[[], AbstractEventLoop] | None" = None


def main(program: Program[SettingsT, OpenedT]) -> None:
    """Run the program with the command line of this process; exits with 0 or 2."""
    diagnostics.install()
    arguments = sys.argv[1:]
    if arguments[:1] == ["schema"]:
        _print_schema(program.vocabulary, arguments[1:])
        return
    if arguments and arguments[0] in program.tools:
        program.tools[arguments[0]](arguments[1:])
        return
    settings = program.read_settings(arguments, os.environ)
    # Blocked until the event loop handles them.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    # Only protocol lines may reach the real stdout, whatever a library prints.
    protocol_out = os.dup(1)
    os.dup2(2, 1)
    output = Output(protocol_out)
    try:
        opened = program.open(settings, output.emit)
    except StartupError as error:
        print(f"{program.vocabulary.program}: {error}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    from headless.run import run  # imported late: asyncio takes longer than all of the above

    run(program.vocabulary, lambda: program.serve(opened, output), output, ending, program.new_loop)


def _print_schema(vocabulary: Vocabulary, arguments: Sequence[str]) -> None:
    if arguments:
        print(f"{vocabulary.program}: schema takes no arguments", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    import json

    from headless.schema import json_schema

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… schema | head` ends quietly
    print(json.dumps(json_schema(vocabulary), indent=2))
