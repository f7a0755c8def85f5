"""Nodes, their logs, waits, checks, faults and backends. Knows nodes, not games."""
