"""Every command, reply and event of the peer as typed structs.

Sizes and offsets are bytes; durations say their unit in the name; addresses are "IP:port".
"""

from peer_cli.messages.commands import *  # noqa: F403
from peer_cli.messages.events import *  # noqa: F403
from peer_cli.messages.replies import *  # noqa: F403
from peer_cli.messages.values import *  # noqa: F403
