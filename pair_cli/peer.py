"""A peer: handles the commands about the connection, and passes those about files on."""

import asyncio
import socket
import time

from headless.envelope import Command, CommandError, Value
from headless.output import Output
from headless.tasks import end_tasks
from network.acceptor import Acceptor
from network.address import Address
from pair_cli import messages
from pair_cli.content import Files
from pair_cli.keys import BadFingerprint, check_fingerprint
from pair_cli.line import Line
from pair_cli.pairing import Pairing
from pair_cli.relay_client import BadUrl, RelayClient, check_url
from pair_cli.rendezvous import Rendezvous
from pair_cli.startup import OpenedPeer


class Peer:
    """A headless.service.Service."""

    def __init__(self, opened: OpenedPeer, output: Output) -> None:
        self._opened = opened
        self._settings = opened.settings
        self._keys = opened.keys
        self._output = output
        self._began = time.monotonic()
        self._content = Files(opened.settings, opened.keys.fingerprint, output.emit)
        self._pairing: Pairing | None = None
        self._joining = asyncio.Lock()
        self._acceptor = Acceptor("pair-cli", opened.listening, self._greet)
        self._accepting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept connections; those that come before a `join` are closed."""
        await self._content.start()
        self._accepting = asyncio.create_task(self._acceptor.run())

    async def handle(self, command: Command) -> Value:
        """Run a command. Raises CommandError."""
        match command:
            case messages.GetFingerprint():
                return messages.FingerprintResult(fingerprint=self._keys.fingerprint)
            case messages.Join():
                return await self._join(command)
            case messages.Status():
                return self._status()
            case messages.RelayStatus():
                raise CommandError("not-a-relay", "This is a peer; its status is `status`.")
            case _:
                return await self._content.handle(command)

    async def stop(self) -> None:
        """Say goodbye to the other, and end everything."""
        if self._accepting is not None:
            await end_tasks([self._accepting])
        if self._pairing is not None:
            await self._pairing.stop()
        await self._content.stop()
        self._opened.state_lock.release()

    async def _greet(self, connection: socket.socket, origin: Address) -> None:
        if self._pairing is None:
            connection.close()
            return
        await self._output.caught_up()
        await self._pairing.accept(connection, origin)

    async def _join(self, command: messages.Join) -> Value:
        own = self._keys.fingerprint
        try:
            other = check_fingerprint(command.fingerprint)
        except BadFingerprint as error:
            raise CommandError("bad-fingerprint", str(error)) from error
        if other == own:
            raise CommandError(
                "own-fingerprint", "This is the peer's own fingerprint; join the other's."
            )
        url = command.relay or self._settings.relay
        if url is None:
            raise CommandError("no-relay", "Name the relay's URL, here or with --relay.")
        try:
            relay_url = check_url(url)
        except BadUrl as error:
            raise CommandError("bad-relay", str(error)) from error
        async with self._joining:
            await self._pair(other, relay_url)
        return messages.JoinResult(fingerprint=other, initiator=own < other)

    async def _pair(self, other: str, relay_url: str) -> None:
        """Begin to pair, unless that is under way already. Raises CommandError."""
        old = self._pairing
        if old is not None:
            if old.other == other and old.relay_url == relay_url:
                old.hurry()
                return
            if old.other != other and old.state != "gave-up":
                raise CommandError(
                    "already-joined", "This peer is paired already; start another for another pair."
                )
            self._pairing = None
            await old.stop()
        listen = self._settings.listen
        own_ip = self._opened.addresses[0].ip if listen is not None else None
        emit = self._output.emit
        relay = RelayClient(relay_url, own_ip)
        self._pairing = Pairing(
            self._keys,
            other,
            relay,
            Rendezvous(self._keys, other, self._opened.addresses, relay, emit),
            Line(other, self._settings.heartbeat_s, self._content, self._output),
            own_ip,
            emit,
        )

    def _status(self) -> messages.StatusResult:
        pairing = self._pairing
        channel = pairing.line.channel if pairing is not None else None
        return messages.StatusResult(
            fingerprint=self._keys.fingerprint,
            addrs=[str(one) for one in self._opened.addresses],
            peer=pairing.other if pairing is not None else None,
            initiator=pairing.lower if pairing is not None else None,
            connection=pairing.connection if pairing is not None else "idle",
            mode=channel.mode if channel is not None else None,
            addr=channel.addr if channel is not None else None,
            rtt_ms=channel.rtt_ms if channel is not None else None,
            heartbeats=channel.answered if channel is not None else 0,
            health=pairing.line.health if pairing is not None else "disconnected",
            transfers=self._content.transfers(),
            limits=self._content.limits(),
            mounts=self._content.mounts(),
            uptime_s=time.monotonic() - self._began,
        )
