"""Single-use tickets: a data connection must present one before bytes flow."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from peer_cli.network.wire import TICKET_BYTES

TICKET_LIFETIME_S = 10.0

_Job = TypeVar("_Job")


@dataclass(frozen=True, slots=True)
class _Issued(Generic[_Job]):
    job: _Job
    ip: str
    expires: float


class TicketBook(Generic[_Job]):
    """Issued tickets, each valid for one job and one address for TICKET_LIFETIME_S seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: dict[bytes, _Issued[_Job]] = {}

    def issue(self, job: _Job, ip: str) -> bytes:
        """Return a new ticket for the job, usable from `ip`. The caller limits their number."""
        ticket = secrets.token_bytes(TICKET_BYTES)
        self._issued[ticket] = _Issued(job, ip, self._clock() + TICKET_LIFETIME_S)
        return ticket

    def open_jobs(self) -> list[_Job]:
        """Return the jobs of all tickets that can still be redeemed."""
        now = self._clock()
        # All live equally long, so the oldest come first.
        while self._issued:
            oldest = next(iter(self._issued))
            if self._issued[oldest].expires > now:
                break
            del self._issued[oldest]
        return [issued.job for issued in self._issued.values()]

    def redeem(self, ticket: bytes, ip: str) -> _Job | None:
        """Return the ticket's job and forget it; None if unknown, used, expired or from elsewhere.

        A ticket presented from another address stays valid: whoever does that must know it, and
        only its owner may use it up.
        """
        issued = self._issued.get(ticket)
        if issued is None or issued.ip != ip:
            return None
        del self._issued[ticket]
        return issued.job if issued.expires > self._clock() else None
