"""What the programs read on stdin and write on stdout.

Sizes are bytes; durations have their unit in the name; addresses are "IP:port".
"""

from headless.vocabulary import Vocabulary
from sync_cli.messages.commands import *  # noqa: F403
from sync_cli.messages.commands import RESULTS
from sync_cli.messages.events import *  # noqa: F403
from sync_cli.messages.events import EVENTS

VOCABULARY = Vocabulary("sync-cli", RESULTS, EVENTS)
