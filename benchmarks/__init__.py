"""Measurements: each module measures one thing, next to what a user would use instead."""
