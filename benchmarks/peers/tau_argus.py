"""τ-ARGUS (pytauargus) on one batch file; run by ``reference.py --argus PYTHON``, an interpreter that has it.

``tau_argus.py``: prints its version. ``tau_argus.py BATCH SECONDS [zero]``: runs the batch within so many CPU seconds
(more: ended by a signal) and prints why there is no answer, or nothing. ``zero``: an attacker knows of each cell only
that it is 0 or more; as it comes the package takes for granted that no cell is below the smallest figure of the table.
"""

import importlib.metadata
import resource
import sys

from pytauargus.engine import Engine

SPARE = 5


class FromZero(Engine):
    """With 0 as what every cell is known to be at least."""

    def _table_cell_bounds(self, tab):
        return 0.0, super()._table_cell_bounds(tab)[1]


def main(arguments):
    """The version, or one batch."""
    if not arguments:
        sys.stdout.write(importlib.metadata.version("pytauargus") + "\n")
        return
    batch, seconds, *zero = arguments
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + SPARE))
    try:
        (FromZero() if zero else Engine()).run_batch(batch)
    except Exception as fault:  # whatever the peer ends by is a finding, and the run goes on
        sys.stdout.write(" ".join(str(fault).split()) + "\n")
        sys.exit(1)


main(sys.argv[1:])
