"""Live nodes: a node that a person runs, not a scenario."""
