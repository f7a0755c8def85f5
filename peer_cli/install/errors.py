"""The one error of everything that unpacks, writes and commits an installed game."""


class InstallError(Exception):
    """An install that was given up: `code` is for programs, `reason` a sentence for people.

    Codes of the archives: `not-an-archive`, `archive-truncated`, `archive-end-missing`,
    `archive-corrupt`, `archive-encrypted`, `archive-multi-volume`, `archive-unsupported`,
    `dictionary-too-large`, `read-failed`. Of their entries: `entry-is-link`, `size-mismatch`,
    `crc-mismatch`, `unsafe-name`, `duplicate-name`. Of the unpacking program:
    `unpacker-missing`, `unpacker-failed`. Of the entry stream: `malformed-stream`,
    `incomplete-stream`. Of this side: `write-failed`, `no-archives`, `not-installed`,
    `cancelled`. A code that came with a failure frame is passed on as it is.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class InstallCancelled(InstallError):  # noqa: N818 - it is an outcome, not a fault
    """The install was cancelled by the one who asked for it."""

    def __init__(self) -> None:
        super().__init__("cancelled", "The install was cancelled.")


class SenderError(InstallError):
    """The other side gave up and said why: its trouble, not this side's."""
