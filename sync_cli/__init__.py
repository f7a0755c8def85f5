"""Keeps a folder the same on many machines."""

PROTOCOL_VERSION = 1
