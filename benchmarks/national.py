"""A national count table, protected and audited: ``python -m benchmarks.national [BUURTEN]`` (default 14,500).

The Netherlands > 12 provinces > 342 municipalities > 3,400 wijken > 14,500 buurten by 8 age bands by 6 offence classes,
1,150,065 cells, made up by `benchmarks.country` (fewer BUURTEN: all levels in proportion). Counts are tabulated
from one row per leaf, not from single records. Then the same with the adaptive choice of margins: per area the
finest of age by offence, offence, age, total of which nearly all non-empty cells reach n; others are not offered.
Each stage: wall and CPU seconds, and the peak memory so far.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from benchmarks.country import NATION, offences
from output_control.audit import audit
from output_control.protection import Options, Pattern
from output_control.rules import MinimumFrequency, PrimaryResult, primary
from output_control.suppression import suppress
from output_control.table import BoolArray, CellTable

LEAST = 10
RECORDS_PER_LEAF = 14.4
NEARLY_ALL = 0.95
SLAB = ((True, True), (False, True), (True, False), (False, False))


class Clock:
    """Says what the time since the last line was."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def say(self, text: str) -> None:
        """One line of the report."""
        wall, cpu = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(f"{text}; wall {wall - self.wall:.1f} s, CPU {cpu - self.cpu:.1f} s, peak {peak:.0f} MiB\n")
        sys.stdout.flush()
        self.wall, self.cpu = wall, cpu


def adaptive(table: CellTable) -> BoolArray:
    """The cells that are offered: per area the finest margin of which nearly all non-empty cells reach n."""
    area, age, offence = table.codes.T
    areas = len(table.dims[0].codes)
    offered, decided = np.zeros(len(table), dtype=np.bool_), np.zeros(areas, dtype=np.bool_)
    for by_age, by_offence in SLAB:
        shown = np.ones(len(table), dtype=np.bool_)
        shown &= (age == 0) if not by_age else True
        shown &= (offence == 0) if not by_offence else True
        cells = np.bincount(area[shown], minlength=areas)
        enough = np.bincount(area[shown & (table.freq >= LEAST)], minlength=areas)
        fine = ~decided & (enough >= NEARLY_ALL * np.maximum(cells, 1))
        offered |= shown & fine[area]
        decided |= fine
    return offered


def protect(table: CellTable, sensitive: PrimaryResult, options: Options, clock: Clock) -> Pattern:
    """Suppressed, pruned and audited; stops when the audit does not find it safe."""
    pattern = suppress(table, sensitive, options=options)
    gap = "no bound" if pattern.gap is None else f"gap {pattern.gap:.1%}"
    clock.say(f"  {int(pattern.secondary.sum()):,} secondary cells of value {pattern.cost:,.0f}, {gap}")
    checked = audit(table, sensitive, pattern, options)
    if not checked.safe:
        raise SystemExit("the audit did not find the pattern safe")
    moves = pattern.witnesses.moves
    clock.say(f"  audited: {checked.checked:,} primaries by {moves.shape[0]:,} integral witnesses, none fails")
    return pattern


def lost(table: CellTable, hidden: BoolArray, offered: BoolArray) -> str:
    """How much of what is offered is hidden."""
    cells, away = int(offered.sum()), int((hidden & offered).sum())
    share = float(table.value[hidden & offered].sum() / max(table.value[offered].sum(), 1))
    return f"{away:,} of {cells:,} offered cells hidden ({away / max(cells, 1):.1%}, {share:.2%} of their value)"


def main(arguments: list[str]) -> None:
    """Both ways, one after the other."""
    buurten = int(arguments[0]) if arguments else NATION[-1]
    sizes = tuple(max(round(size * buurten / NATION[-1]), 1) for size in NATION)
    clock = Clock()
    made = offences(sizes, int(RECORDS_PER_LEAF * 48 * buurten))
    clock.say(f"made {len(made.count):,} non-empty leaves of {int(made.count.sum()):,} registrations")
    table = made.table()
    clock.say(f"tabulated {len(table):,} non-empty of {int(np.prod(table.shape)):,} cells")
    sensitive = primary(table, MinimumFrequency(LEAST))
    clock.say(f"  {int(sensitive.mask.sum()):,} primary ({sensitive.mask.mean():.0%})")
    everything = np.ones(len(table), dtype=np.bool_)
    pattern = protect(table, sensitive, Options(), clock)
    clock.say(f"  {lost(table, pattern.suppressed, everything)}")
    offered = adaptive(table)
    clock.say(f"adaptive margins offer {int(offered.sum()):,} cells, {int((sensitive.mask & offered).sum()):,} primary")
    pattern = protect(table, sensitive, Options(cost=np.where(offered, table.value, 0.0)), clock)
    clock.say(f"  {lost(table, pattern.suppressed, offered)}")


if __name__ == "__main__":
    main(sys.argv[1:])
