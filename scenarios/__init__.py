"""Scenarios that drive many peers through trouble and judge what they do."""
