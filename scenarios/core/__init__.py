"""Nodes, their logs, waits, checks, faults and backends. Independent of what the nodes do."""
