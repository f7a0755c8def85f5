"""The families, a package each."""
