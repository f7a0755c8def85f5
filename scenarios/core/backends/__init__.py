"""The backends that run the nodes of a scenario: plain processes or containers."""
