"""TCP over WebSocket between one server and any number of clients, one of which is active."""
