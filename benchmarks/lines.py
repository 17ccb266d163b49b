"""How benchmarks report: a line at a time, seen at once."""

import sys


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
