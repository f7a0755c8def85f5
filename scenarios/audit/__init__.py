"""The audit: proves the scenarios by running them against mutants, programs with a defect each."""
