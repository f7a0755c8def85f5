"""The shape of errors that reach a reply or an event."""


class CodedError(Exception):
    """Base of errors with a kebab-case code, for programs, and a text, for people.

    `errno` is the name of the system's error, such as ENOENT, where one fits.
    """

    def __init__(self, code: str, text: str, errno: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.errno = errno
