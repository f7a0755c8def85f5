"""Keeps the two peers connected: direct if that works, else over the relay's bridge.

Both listen and both dial (see schedule). Whatever connects first ends all other attempts.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable

from headless.errors import CodedError
from headless.program import Emit
from headless.tasks import end_tasks
from network.address import Address
from pair_cli import schedule
from pair_cli.bridge_end import socket_of
from pair_cli.entries import Rate
from pair_cli.handshake import HandshakeError, Role
from pair_cli.keys import Keys, PublicKeys, bridge_token
from pair_cli.line import Line
from pair_cli.messages import ConnectFailed, Connection, GaveUp, Mode, Reconnecting
from pair_cli.proving import (
    HANDSHAKE_S,
    TAKEN,
    Duplicate,
    confirm_first,
    confirm_second,
    exchange_hellos,
)
from pair_cli.reach import connect, first_of
from pair_cli.registration import IdentityMismatch, Registration
from pair_cli.relay_client import RelayClient, RelayError
from pair_cli.rendezvous import NotHere, Rendezvous

BRIDGE_WAIT_S = 40.0  # longer than the longest pause between the other's attempts
SETTLE_S = 5.0  # for a connection of which both sides know already
MAX_REPORTS = 20  # of failed handshakes, per address and minute


class Unreachable(CodedError):  # noqa: N818 - reads well where it is made
    """No way led to the other; the text says what was tried."""

    def __init__(self, text: str) -> None:
        super().__init__("unreachable", text)


class Pairing:
    """One side of a pair, from `join` until it is stopped."""

    def __init__(
        self,
        keys: Keys,
        other: str,
        relay: RelayClient,
        rendezvous: Rendezvous,
        line: Line,
        own_ip: str | None,
        emit: Emit,
    ) -> None:
        self.other = other
        self.lower = keys.fingerprint < other
        self.state: Connection = "connecting"
        self.line = line
        self._keys = keys
        self._relay = relay
        self._rendezvous = rendezvous
        self._own_ip = own_ip
        self._emit = emit
        self._was_connected = False
        self._proving = 0  # handshakes that are under way
        self._hurried = asyncio.Event()
        self._reports = Rate(MAX_REPORTS)
        self._bridging: set[asyncio.Task[None]] = set()
        self._tasks = [
            asyncio.create_task(rendezvous.stay_registered()),
            asyncio.create_task(self._keep()),
        ]

    @property
    def relay_url(self) -> str:
        """The relay's URL."""
        return self._relay.url

    @property
    def connection(self) -> Connection:
        """What to tell about the connection."""
        return "connected" if self.line.connected.is_set() else self.state

    def hurry(self) -> None:
        """Attempt again now, and count afresh, instead of waiting for a while."""
        if not self.line.connected.is_set():
            self._hurried.set()

    async def stop(self) -> None:
        """Leave the other: say goodbye, and end everything."""
        await end_tasks(self._tasks)
        await self.line.stop()
        await end_tasks(self._bridging)
        await self._relay.close()

    async def accept(self, connection: socket.socket, origin: Address) -> None:
        """Handle a connection from anybody, and own it from now on."""
        try:
            await self._prove(connection, "accepting", "direct", str(origin), self._rendezvous.keys)
        except HandshakeError as error:
            self._report(error, origin)
        except (Duplicate, EOFError, OSError, TimeoutError):
            pass  # somebody left, or it is one connection too many
        except (NotHere, RelayError, IdentityMismatch):
            pass  # the other is not known yet, so whoever this is will have to come again

    # --- attempts -----------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect, and reconnect whenever the connection is lost."""
        while True:
            await self._until_connected()
            self.state, self._was_connected = "connected", True
            upgrading = asyncio.create_task(self._upgrade())
            try:
                await self.line.disconnected.wait()
            finally:
                await end_tasks([upgrading])
            self.state = "reconnecting"

    async def _until_connected(self) -> None:
        """Attempt to connect again and again; after the last attempt, wait for the other."""
        attempt = 1 if self._was_connected and not self.line.other_left else 0
        failure: CodedError | None = None
        while not self.line.connected.is_set():
            if attempt > schedule.MAX_ATTEMPTS and failure is not None:
                self.state = "gave-up"
                self._emit(GaveUp(attempts=attempt - 1, code=failure.code, reason=str(failure)))
                await self._pause(None)
                attempt = 0
                continue
            if attempt:
                self.state = "reconnecting"
                pause_s = schedule.pause_before(attempt)
                self._emit(Reconnecting(attempt=attempt, in_s=round(pause_s, 3)))
                if await self._pause(pause_s):
                    attempt = 0
            if self.line.connected.is_set():
                return
            failure = await self._attempt(again=attempt > 0 or self._was_connected)
            if failure is None:
                return
            self._emit(ConnectFailed(code=failure.code, reason=str(failure), addr=None))
            attempt += 1

    async def _pause(self, seconds: float | None) -> bool:
        """Wait; end early when the two are connected, or when told to hurry: return whether so."""
        waits = [asyncio.create_task(one.wait()) for one in (self.line.connected, self._hurried)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(waits)
        hurried = self._hurried.is_set()
        self._hurried.clear()
        return hurried

    async def _attempt(self, *, again: bool) -> CodedError | None:
        """Try all ways; return when connected, by whatever way, or with why that failed."""
        if not self._proving:  # or else the other may just be taking a connection of this epoch
            self.line.renew_epoch()
        trying = asyncio.create_task(self._try_all(again=again))
        connected = asyncio.create_task(self.line.connected.wait())
        try:
            await asyncio.wait([trying, connected], return_when=asyncio.FIRST_COMPLETED)
            # It may be lost again by the time that both tasks have ended.
            was_connected = connected.done()
        finally:
            await end_tasks([trying, connected])
        return None if was_connected or self.line.connected.is_set() else trying.result()

    async def _try_all(self, *, again: bool) -> CodedError | None:
        try:
            registration = await self._find()
        except (RelayError, IdentityMismatch) as error:
            return error
        await asyncio.sleep(schedule.grace(lower=self.lower, again=again))
        failure = await self._dial_all(registration)
        if failure is None:
            return None
        return await self._try_bridge(failure)

    async def _find(self) -> Registration:
        """Wait for the other's registration. Raises RelayError, IdentityMismatch."""
        for pause_s in schedule.polls():
            self._rendezvous.register_anew()  # a relay that was restarted has forgotten it
            await self._rendezvous.register_if_due()
            try:
                # Whoever left on purpose registers anew when it comes back.
                left = self.line.other_left
                find = self._rendezvous.find_newer if left else self._rendezvous.find
                registration = await find()
            except NotHere:
                self.state = "waiting"
            except RelayError as error:
                if not error.pause_s:
                    raise
                pause_s = error.pause_s
            else:
                self.state = "reconnecting" if self._was_connected else "connecting"
                self.line.other_left = False
                return registration
            await self._pause(pause_s)
        raise AssertionError  # polls never end

    async def _dial_all(self, registration: Registration) -> CodedError | None:
        """Try all addresses at once; return why none worked."""

        async def dial(address: Address) -> None:
            await self._dial(address, registration.keys)

        failures = await first_of(registration.addresses, dial)
        if failures is None:
            return None
        for failure in failures:
            if isinstance(failure, HandshakeError):
                return failure
        if any(isinstance(failure, Duplicate) for failure in failures):
            await asyncio.sleep(SETTLE_S)  # ends early when the other connection is there
        texts = sorted({str(failure) or type(failure).__name__ for failure in failures})
        where = ", ".join(map(str, registration.addresses)) or "no address"
        return Unreachable(f"The other does not answer at {where}: {'; '.join(texts)}")

    async def _dial(self, address: Address, keys: PublicKeys) -> None:
        connection = await connect(address, self._own_ip)
        try:
            await self._prove(connection, "dialling", "direct", str(address), _known(keys))
        except HandshakeError as error:
            self._report(error, address)
            raise

    async def _try_bridge(self, why: CodedError) -> CodedError | None:
        """Meet the other at the bridge; return why that failed, or why it was needed."""
        try:
            websocket = await self._relay.bridge(bridge_token(self._keys.fingerprint, self.other))
        except RelayError as error:
            return why if isinstance(why, HandshakeError) else Unreachable(f"{why}; {error}")
        connection, passing = socket_of(websocket)
        self._bridging.add(passing)
        passing.add_done_callback(self._bridging.discard)
        role: Role = "accepting" if self.lower else "dialling"
        try:
            await self._prove(connection, role, "bridge", self._relay.url, self._rendezvous.keys)
        except HandshakeError as error:
            return error
        except (Duplicate, EOFError, OSError, TimeoutError) as error:
            text = str(error) or "the other did not come in time"
            return Unreachable(f"{why}; over the bridge: {text}")
        return None

    async def _upgrade(self) -> None:
        """From the bridge, try to connect directly now and then."""
        for pause_s in schedule.upgrades():
            if self.line.mode != "bridge":
                return
            await asyncio.sleep(pause_s)
            with contextlib.suppress(RelayError, IdentityMismatch, NotHere):
                await self._dial_all(await self._rendezvous.find())

    # --- proofs -------------------------------------------------------------------------------

    async def _prove(
        self,
        connection: socket.socket,
        role: Role,
        mode: Mode,
        addr: str,
        keys: Callable[[], Awaitable[PublicKeys]],
    ) -> None:
        """Run the handshake, and make the connection the line if both sides agree.

        Raises HandshakeError, Duplicate, EOFError, OSError, TimeoutError, and what `keys` raises.
        """
        self._proving += 1
        try:
            async with asyncio.timeout(BRIDGE_WAIT_S if mode == "bridge" else HANDSHAKE_S):
                secured = await exchange_hellos(connection, role, self._keys, keys)
                if self.lower:
                    epoch = await confirm_second(
                        connection, secured, lambda epoch: self.line.takes(epoch, mode)
                    )
                else:
                    if not self.line.wants(mode):
                        raise Duplicate
                    epoch = self.line.epoch
                    await confirm_first(connection, secured, epoch)
        except BaseException:
            connection.close()
            raise
        finally:
            self._proving -= 1
        self.line.take(
            connection,
            secured,
            mode=mode,
            addr=addr,
            initiated=role == "dialling",
            epoch=epoch,
            confirm=TAKEN if self.lower else b"",
        )

    def _report(self, error: HandshakeError, address: Address) -> None:
        """Report that somebody could not prove the keys, as often as is good to know."""
        now = time.monotonic()
        if self._reports.over(address.ip, now) is None:
            self._reports.count(address.ip, now)
            self._emit(ConnectFailed(code=error.code, reason=str(error), addr=str(address)))


def _known(keys: PublicKeys) -> Callable[[], Awaitable[PublicKeys]]:
    async def known() -> PublicKeys:
        return keys

    return known
