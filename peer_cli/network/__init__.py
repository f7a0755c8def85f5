"""Control sessions between peers: frames, handshake, liveness, and who is known."""
