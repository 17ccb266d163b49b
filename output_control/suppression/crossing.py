"""Crossing two patterns: the cheapest one among the cells that the best safe pattern or a proposal of the master hides.

A proposal costs little and leaves targets open; a safe pattern costs too much. Over the union of the two the integer
programme is small, and the best safe pattern keeps it feasible, so many rounds of cuts take less time than one over
the whole table. The cuts hold for the whole table too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from output_control.suppression.master import Master, separate
from output_control.suppression.problem import Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray

ROUNDS = 12
NODES = 20
RELATIVE_GAP = 0.003
FEW_CUTS = 3
ITERATIONS = 10_000


def cross(master: Master, best: Search, proposed: BoolArray, targets: Sequence[Target]) -> BoolArray:
    """What to hide among the cells of ``best`` and of ``proposed``; some ``targets`` may still be open."""
    among: BoolArray = best.hidden | proposed
    hidden, watched = proposed, list(targets)
    spent = 0
    for _ in range(ROUNDS):
        solution = master.propose(best, NODES, among=among, relative_gap=RELATIVE_GAP)
        if solution is None:
            break
        spent += solution.iterations
        x = np.rint(solution.x[: master.problem.size])
        hidden = x > 0.5
        cuts, broken = separate(best, watched, x)
        if len(cuts) < FEW_CUTS and len(watched) < len(targets):
            cuts, more = separate(best, targets, x)
            broken += [target for target in more if target not in broken]
        if len(cuts) < FEW_CUTS or spent > ITERATIONS:
            break
        master.cuts += cuts
        watched = broken if len(watched) == len(targets) else watched + [t for t in broken if t not in watched]
    return hidden
