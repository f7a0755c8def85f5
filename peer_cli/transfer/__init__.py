"""Moves games between peers: manifests, plans, serving, downloading, the data plane."""
