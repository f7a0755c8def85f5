"""Finds the other peer through the relay, and lets itself be found."""

import asyncio
import contextlib
import time

from headless.program import Emit
from network.address import Address
from pair_cli.keys import Keys, PublicKeys, lookup_token
from pair_cli.messages import ConnectFailed, Registered
from pair_cli.registration import Registration, open_registration, seal_registration
from pair_cli.relay_client import RelayClient, RelayError

REFRESH_S = 30.0  # so that a relay that was restarted soon knows this peer again
RETRY_S = 1.0  # at least, after a failure


class NotHere(Exception):  # noqa: N818 - reads well where it is raised and caught
    """The other is not registered, as far as this peer has looked."""


class Rendezvous:
    """One peer's registration at the relay, and the other's."""

    def __init__(
        self, keys: Keys, other: str, addresses: list[Address], relay: RelayClient, emit: Emit
    ) -> None:
        self._keys = keys
        self._other = other
        self._addresses = addresses
        self._relay = relay
        self._emit = emit
        self._token = lookup_token(keys.fingerprint)
        self._due_at = self._not_before = 0.0
        self._told = ""  # the failure that was reported last
        self._is_registered = False
        self._known: Registration | None = None
        self._blob = ""
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()
        self._registering = asyncio.Lock()

    async def register_if_due(self) -> None:
        """Register or refresh when it is time. A failure is reported, and tried again later."""
        async with self._registering:
            if time.monotonic() >= max(self._due_at, self._not_before):
                await self._register()

    async def _register(self) -> None:
        blob = seal_registration(self._keys, self._addresses)
        try:
            ttl_s = await self._relay.register(self._token, blob, self._keys.proof(self._token))
        except RelayError as error:
            self._not_before = time.monotonic() + max(RETRY_S, error.pause_s)
            self._is_registered = False
            if str(error) != self._told:
                self._emit(ConnectFailed(code=error.code, reason=str(error), addr=None))
            self._told = str(error)
            return
        self._due_at = time.monotonic() + min(REFRESH_S, ttl_s / 2)
        self._changed.set()
        self._told = ""
        if not self._is_registered:
            self._is_registered = True
            self._emit(Registered(relay=self._relay.url, ttl_s=ttl_s))

    async def stay_registered(self) -> None:
        """Keep the registration for ever."""
        while True:
            await self.register_if_due()
            self._changed.clear()
            wait_s = max(self._due_at, self._not_before) - time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()  # another relay may have a shorter time

    def register_anew(self) -> None:
        """Make the next registration due now."""
        self._due_at = 0.0

    async def find_newer(self) -> Registration:
        """Return the other's registration once it is another one than the last that was found.

        Raises NotHere until then, and what `find` raises.
        """
        last = self._blob
        registration = await self.find()
        if self._blob == last:
            raise NotHere
        return registration

    async def find(self) -> Registration:
        """Return the other's registration: the relay's, or, without it, the last that was found.

        The keys never change, because the fingerprint stands for them; addresses may. Raises
        NotHere, RelayError, IdentityMismatch.
        """
        try:
            blob = await self._relay.fetch(lookup_token(self._other))
        except RelayError:
            if self._known is None:
                raise
            return self._known
        if blob is not None:
            self._known = open_registration(blob, self._other)
            self._blob = blob
        if self._known is None:
            raise NotHere
        return self._known

    async def keys(self) -> PublicKeys:
        """Return the other's keys, for somebody who claims to have them.

        Raises NotHere, RelayError, IdentityMismatch.
        """
        async with self._looking:  # one request for all who claim it meanwhile
            if self._known is None:
                await self.find()
        assert self._known is not None
        return self._known.keys
