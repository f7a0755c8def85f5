"""Interprets peers' lines for the report and the terminal."""
