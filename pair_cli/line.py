"""The line to the other peer: at most one channel, what happens on it, and who may replace it."""

import asyncio
import secrets
import socket
import sys

from headless.errors import CodedError
from headless.output import Output
from headless.tasks import end_tasks
from pair_cli import messages
from pair_cli.channel import SecureChannel
from pair_cli.handshake import Secured
from pair_cli.interfaces import ChannelClosed, Content
from pair_cli.messages import Health, LossReason, Mode
from pair_cli.wire import EPOCH_BYTES

END_S = 1.0
RETIRED_S = 5.0  # for the other side to change over to a new channel


class Line:
    """The current channel. `connected` and `disconnected` say whether there is one."""

    def __init__(
        self, fingerprint: str, heartbeat_s: float, content: Content, output: Output
    ) -> None:
        self.channel: SecureChannel | None = None
        self.connected = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.disconnected.set()
        self.other_left = False  # it said goodbye when it was last here
        self.epoch = b""
        self.renew_epoch()
        self._taken_epoch = b""  # the higher side's, when it got the current channel
        self._fingerprint = fingerprint
        self._heartbeat_s = heartbeat_s
        self._content = content
        self._output = output
        self._health: Health = "disconnected"
        self._channels: set[SecureChannel] = set()  # with those that are ending
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def mode(self) -> Mode | None:
        """How the two are connected, None if they are not."""
        return None if self.channel is None else self.channel.mode

    @property
    def health(self) -> Health:
        """As the last `health-changed` said."""
        return self._health

    def renew_epoch(self) -> None:
        """Begin a new epoch: what was proven in an older one is no use any more."""
        self.epoch = secrets.token_bytes(EPOCH_BYTES)

    def takes(self, epoch: bytes, mode: Mode) -> bool:
        """Tell, as the lower side, whether a proven connection is to be the line.

        It is when there is none, when the other has lost the current one, and when it is better.
        """
        return epoch != self._taken_epoch or self.wants(mode)

    def wants(self, mode: Mode) -> bool:
        """Tell whether a connection of this kind would be better than what there is."""
        if self.channel is None or self.channel.closed:
            return True
        return self.channel.mode == "bridge" and mode == "direct"

    def take(
        self,
        connection: socket.socket,
        secured: Secured,
        *,
        mode: Mode,
        addr: str,
        initiated: bool,
        epoch: bytes,
        confirm: bytes,
    ) -> None:
        """Make a proven connection the line, in place of the current one.

        `epoch` is the higher side's. The lower side confirms with the channel's first frame.
        """
        old = self.channel
        switched = old is not None and old.mode != mode and epoch == self._taken_epoch
        if old is not None:
            old.release()
            self._content.disconnected(old)
            if switched:
                # The other side changes over a moment later, and ends the old channel.
                asyncio.get_running_loop().call_later(RETIRED_S, old.close, "left")
            else:
                old.close("connection-lost", "the other side had lost it")
                self._emit_lost("connection-lost")
        self._taken_epoch = epoch
        channel = SecureChannel(
            connection,
            secured,
            self._fingerprint,
            mode,
            addr,
            self._heartbeat_s,
            self._update_health,
        )
        self.channel = channel
        self._channels.add(channel)
        if confirm:
            channel.confirm(confirm)
        self.disconnected.clear()
        self.connected.set()
        if not switched:
            self._output.emit(
                messages.PeerConnected(
                    fingerprint=self._fingerprint, mode=mode, addr=addr, initiated=initiated
                )
            )
        self._output.emit(messages.ConnectionMode(mode=mode, addr=addr))
        self._update_health()
        self._content.connected(channel)
        task = asyncio.create_task(self._serve(channel))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def stop(self) -> None:
        """Say goodbye, and end all channels."""
        if self.channel is not None:
            await self.channel.leave()
        for channel in self._channels:
            channel.close("left")
        if self._serving:
            _, busy = await asyncio.wait(self._serving, timeout=END_S)
            await end_tasks(busy)

    async def _serve(self, channel: SecureChannel) -> None:
        """Hand the messages of a channel on until it ends."""
        try:
            while True:
                message = await channel.receive()
                await self._output.caught_up()
                if channel is self.channel:  # not replaced by another one
                    await self._content.message(channel, message)
        except ChannelClosed:
            pass
        except CodedError as error:
            channel.close("connection-lost", f"the other side broke the protocol: {error}")
        finally:
            channel.close("connection-lost", "a bug ended it")
            self._lost(channel)
            await channel.wait_ended()
            self._channels.discard(channel)

    def _lost(self, channel: SecureChannel) -> None:
        if channel is not self.channel:
            return
        assert channel.reason is not None
        if channel.reason in ("connection-lost", "timeout"):
            print(f"pair-cli: the connection ended: {channel.detail}", file=sys.stderr)
        self.channel = None
        self.other_left = channel.reason == "goodbye"
        self.renew_epoch()
        self.connected.clear()
        self.disconnected.set()
        self._content.disconnected(channel)
        self._emit_lost(channel.reason)
        self._update_health()

    def _emit_lost(self, reason: LossReason) -> None:
        self._output.emit(messages.PeerDisconnected(fingerprint=self._fingerprint, reason=reason))

    def _update_health(self) -> None:
        health = "disconnected" if self.channel is None else self.channel.health
        if health != self._health:
            previous, self._health = self._health, health
            self._output.emit(messages.HealthChanged(health=health, previous=previous))
