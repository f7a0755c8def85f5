"""What the report shows of trackers and peers: each file's way through the swarm."""
