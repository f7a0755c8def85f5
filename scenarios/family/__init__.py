"""Families of nodes: their definition, and how to find them and their scenarios."""
