"""The tunnel family: a server and clients that carry TCP over WebSocket."""
