"""The command line: `python -m scenarios COMMAND`, a module per command."""
