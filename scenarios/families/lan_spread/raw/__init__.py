"""A raw client of the wire protocol (docs/wire-protocol.md), which may violate it.

The modules use relative imports, since the folder is mounted under any name (__main__.py).
"""
