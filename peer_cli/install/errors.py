"""The one error type for unpacking, writing and committing an install."""

from headless.errors import CodedError


class InstallError(CodedError):
    """An install that failed.

    Archives: `not-an-archive`, `archive-truncated`, `archive-end-missing`, `archive-corrupt`,
    `archive-encrypted`, `archive-multi-volume`, `archive-unsupported`, `dictionary-too-large`,
    `read-failed`. Their entries: `entry-is-link`, `size-mismatch`, `crc-mismatch`, `unsafe-name`,
    `duplicate-name`. The unpacking program: `unpacker-missing`, `unpacker-failed`. The entry
    stream: `malformed-stream`, `incomplete-stream`. This side: `write-failed`, `no-archives`,
    `not-installed`, `cancelled`. The code of a failure frame is passed on unchanged.
    """


class InstallCancelled(InstallError):  # noqa: N818 - a result, not an error
    """The install was cancelled on request."""

    def __init__(self) -> None:
        super().__init__("cancelled", "The install was cancelled.")


class SenderError(InstallError):
    """The sender failed and said why; nothing is wrong on this side."""
