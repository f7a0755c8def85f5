"""What the options of several commands have in common."""

import argparse
import os


def default_jobs() -> int:
    """Nodes mostly wait, so two at once do no harm even on one processor."""
    return max(2, min(8, os.cpu_count() or 2))


def at_least_one(text: str) -> int:
    """Return the number from 1 on that an option's text is. Raises ArgumentTypeError."""
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def positive(text: str) -> float:
    """Return the factor above 0 that an option's text is. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a factor such as 1.5 or 3")
    return number
