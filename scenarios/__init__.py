"""Scenarios that put many nodes under stress and faults, and check their behaviour."""
