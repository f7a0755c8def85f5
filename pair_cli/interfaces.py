"""The seam between the connection to the other peer and the files that are shared over it."""

from collections.abc import Callable
from typing import Protocol

from headless.envelope import Command, Value
from pair_cli.messages import Limits, TransferRow

MAX_MESSAGE = 256 << 10  # bytes of one message


class ChannelClosed(Exception):  # noqa: N818 - reads well where it is raised and caught
    """The channel is gone; what was sent may or may not have arrived."""


class Channel(Protocol):
    """An authenticated, encrypted connection to the other peer.

    Messages arrive whole and in order. Blocks are bulk data on the side: they never delay a message
    by more than a frame, and they are decrypted straight into the buffer of whoever asked for them.
    Which block is meant, and how it is asked for, is up to the messages.
    """

    @property
    def peer(self) -> str:
        """The other's fingerprint."""

    @property
    def heard_at(self) -> float:
        """When anything last came from the other (`time.monotonic`)."""

    @property
    def closed(self) -> bool:
        """Whether the channel is gone. Nothing is written into any buffer once it is."""

    def send(self, message: bytes) -> None:
        """Queue a message of 1 to MAX_MESSAGE bytes, from any thread. Never blocks.

        Raises ChannelClosed.
        """

    async def room(self) -> None:
        """Wait while many messages wait to be sent. Whoever sends many calls this before each.

        Returns at once when the channel is closed.
        """

    def send_block(self, number: int, data: memoryview) -> None:
        """Send the block that the other expects under this number (0 to 2**32 - 1).

        Call it in a thread: it blocks while other blocks wait. `data` is not copied and must not
        change until it returns. Raises ChannelClosed.
        """

    def expect_block(self, number: int, into: memoryview, done: Callable[[], None]) -> None:
        """Name the buffer for a block, before asking for it. From any thread.

        The block must be exactly as long as the buffer, or the channel ends. `done` is called in
        the channel's reading thread once all of it is there: it must not block. It is never called
        for a block that is forgotten or when the channel ends.
        """

    def forget_block(self, number: int) -> None:
        """Let go of a buffer; what still comes of its block is thrown away. From any thread.

        Also for a block that the other will not send. Its number must not be used again.
        """


class Content(Protocol):
    """The files of a pair. All methods are called on the event loop."""

    async def start(self) -> None:
        """Return when commands can be handled."""

    def connected(self, channel: Channel) -> None:
        """A channel is up, the only one from now on. Messages begin after this returns."""

    async def message(self, channel: Channel, message: bytes) -> None:
        """Handle a message, one at a time, in order. No more is read while many wait.

        Raises CodedError to end the channel because the other broke the protocol.
        """

    def disconnected(self, channel: Channel) -> None:
        """The channel is gone. What waits for it goes on with the next one."""

    async def handle(self, command: Command) -> Value:
        """Run a command about files. Raises CommandError."""

    def transfers(self) -> list[TransferRow]:
        """Return the pulls that are under way or wait."""

    def limits(self) -> Limits:
        """Return the rate limits in force."""

    def mounts(self) -> list[str]:
        """Return the folders on which the tree is mounted."""

    async def stop(self) -> None:
        """End everything; called once, even if `start` failed or was cancelled."""
