"""The games on this peer's disk: what there is, what is in it, and when that changes."""
