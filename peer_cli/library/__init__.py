"""The games on this peer's disk: which there are, what they contain, and when they change."""
