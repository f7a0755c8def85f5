"""Nodes with one behaviour broken; how they are written: families/lan_spread/mutants."""
