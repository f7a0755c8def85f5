"""The name of mounts in the system's table."""

FILE_SYSTEM = "pair-cli"
