"""What runs the nodes of a scenario: plain processes, containers, or nothing but a fake."""
