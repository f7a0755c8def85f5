"""A headless LAN peer: JSON commands on stdin, JSON lines on stdout."""
