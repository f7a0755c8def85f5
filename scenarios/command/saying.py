"""Messages of commands, on stderr."""

import sys
from collections.abc import Callable

from scenarios.running.backends import remove_left_overs


def say(line: str) -> None:
    """Print a line immediately."""
    print(line, file=sys.stderr, flush=True)


def say_image_briefly() -> Callable[[str], None]:
    """Return a callback that reports once that an image is being built, then only slow steps."""
    said: list[str] = []

    def briefly(line: str) -> None:
        if not said:
            say("A program has changed since its image was built; rebuilding ...")
            said.append(line)
        if line.startswith("Pulling"):
            say(line)

    return briefly


def sweep_quietly() -> None:
    """Remove the leftovers of dead runs, and print only what was removed."""
    # Without an engine there are no containers to remove, so that is no problem here.
    removed, _ = remove_left_overs()
    for what in removed:
        say(f"Removed what a dead run left: {what}")
