"""The shared tree as a mounted file system."""
