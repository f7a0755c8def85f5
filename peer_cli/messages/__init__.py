"""Every command, reply and event of the peer as typed structs.

Sizes and offsets are bytes; durations have their unit in the name; addresses are "IP:port".
"""

from headless.vocabulary import Vocabulary
from peer_cli.messages.commands import *  # noqa: F403
from peer_cli.messages.commands import ALIASES
from peer_cli.messages.events import *  # noqa: F403
from peer_cli.messages.events import EVENTS
from peer_cli.messages.replies import *  # noqa: F403
from peer_cli.messages.replies import RESULTS
from peer_cli.messages.values import *  # noqa: F403

VOCABULARY = Vocabulary("peer-cli", RESULTS, EVENTS, ALIASES)
