"""What benchmarks have in common: options, a line of the report, targets, the exit code, and the peak memory."""

import argparse
import sys
from pathlib import Path

_missed: list[str] = []


def say(line: str) -> None:
    """One line of the report, seen at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser of options that shows the module's own description."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def positive(text: str) -> int:
    """An option that is a number of rows or persons, at least 1."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("a whole number of at least 1 is wanted")
    return int(text)


def verdict(value: float, target: float, *, least: bool = False) -> str:
    """Whether a figure meets its target, in words; one that does not is remembered for :func:`exit_code`."""
    words = f"({'≥' if least else '≤'} {target})"
    if value >= target if least else value <= target:  # not a number meets nothing
        return f"met {words}"
    _missed.append(words)
    return f"MISSED {words}"


def exit_code() -> int:
    """1 when a figure missed its target, else 0."""
    return 1 if _missed else 0


def peak_mebibytes() -> float:
    """Peak memory of this process since it began; ``ru_maxrss`` would count the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
