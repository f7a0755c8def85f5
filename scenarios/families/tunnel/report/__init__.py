"""Interprets the nodes' lines for the report and the terminal."""
