"""What benchmarks have in common: a line of the report, and the peak memory."""

import sys
from pathlib import Path


def say(line: str) -> None:
    """One line of the report, seen at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def peak_mebibytes() -> float:
    """Peak memory of this process since it began; ``ru_maxrss`` would count the parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
