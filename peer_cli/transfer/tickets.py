"""Single-use tickets: what a data connection has to show before a byte flows."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from peer_cli.network.wire import TICKET_BYTES

TICKET_LIFETIME_S = 10.0
MAX_OPEN_TICKETS = 4096

_Job = TypeVar("_Job")


@dataclass(frozen=True, slots=True)
class _Issued(Generic[_Job]):
    job: _Job
    ip: str
    expires: float


class TicketBook(Generic[_Job]):
    """Issued tickets, each for one job and one address, for TICKET_LIFETIME_S seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: dict[bytes, _Issued[_Job]] = {}

    def issue(self, job: _Job, ip: str) -> bytes | None:
        """Return a new ticket for the job, usable from `ip`; None when too many are open."""
        now = self._clock()
        # All live equally long, so the oldest stand first.
        while self._issued:
            oldest = next(iter(self._issued))
            if self._issued[oldest].expires > now:
                break
            del self._issued[oldest]
        if len(self._issued) >= MAX_OPEN_TICKETS:
            return None
        ticket = secrets.token_bytes(TICKET_BYTES)
        self._issued[ticket] = _Issued(job, ip, now + TICKET_LIFETIME_S)
        return ticket

    def redeem(self, ticket: bytes, ip: str) -> _Job | None:
        """Return the ticket's job and forget it; None when it is unknown, used, late or foreign.

        A ticket shown from another address stays good for its owner: to burn it one would have
        to know it.
        """
        issued = self._issued.get(ticket)
        if issued is None or issued.ip != ip:
            return None
        del self._issued[ticket]
        return issued.job if issued.expires > self._clock() else None
