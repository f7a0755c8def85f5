"""What holds for all unit tests."""

import os


def pytest_xdist_auto_num_workers() -> int:
    """Say how many tests `-n auto` runs at once: many of them wait more than they compute."""
    return (os.cpu_count() or 1) + 1
