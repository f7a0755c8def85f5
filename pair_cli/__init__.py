"""A pair: two peers that share a folder end to end encrypted, and the relay where they meet."""
