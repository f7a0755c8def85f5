"""The names of a family's events and fields that the core needs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Names of events and of fields."""

    ready_event: str = "ready"  # the node can be used after it
    # Commands, besides `shutdown`, after which a node ends by itself when it is ready to.
    ending: tuple[str, ...] = ()
    node_id: str = ""  # the field with a node's own id; empty if nodes have none
    # Candidates for the field that identifies the rows of a list.
    identities: tuple[str, ...] = ("id", "path", "name")
