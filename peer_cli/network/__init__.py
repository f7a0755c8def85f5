"""Control sessions between peers: frames, handshake, liveness, and the table of known peers."""

PROTOCOL_VERSION = 2
