"""Lets scenarios run under plain pytest too: `pytest scenarios -k S7`, or from an editor."""

pytest_plugins = ["scenarios.running.plugin"]
