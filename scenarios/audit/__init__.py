"""The audit: proves the scenarios by running them against mutants, peers with one thing broken."""
