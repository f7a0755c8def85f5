"""Streamed installs between real peers."""
