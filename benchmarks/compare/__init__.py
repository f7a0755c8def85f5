"""Downloads side by side: the peer, bare pairs of sockets, and what people would use instead."""
