"""A run: its settings, its backend, the pytest plugin, its output and its records."""
