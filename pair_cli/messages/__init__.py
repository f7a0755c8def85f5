"""Every command, reply and event of a relay and of a pair's peers as typed structs.

Sizes and offsets are bytes; durations have their unit in the name; addresses are "IP:port".
"""

from headless.vocabulary import Vocabulary
from pair_cli.messages.commands import *  # noqa: F403
from pair_cli.messages.commands import RESULTS
from pair_cli.messages.events import *  # noqa: F403
from pair_cli.messages.events import EVENTS
from pair_cli.messages.values import *  # noqa: F403

VOCABULARY = Vocabulary("pair-cli", RESULTS, EVENTS)
