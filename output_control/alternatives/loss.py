"""What protecting a table costs its reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.tables.table import BoolArray, CellTable, FloatArray


@dataclass(frozen=True, slots=True)
class Loss:
    """Over all non-empty cells, totals included; a hidden cell counts as a published 0 in the deviations.

    ``cells_lost`` and ``value_lost`` are of hidden cells, ``cells_changed`` of published figures that are not the true
    ones. ``hellinger`` is √(½ Σ(√f − √g)²) over true f and published g, and ``hellinger_share`` divides it by √Σf, so
    that it lies between 0 and 1 (Shlomo, Antal and Elliot 2015, *Journal of Official Statistics* 31(2),
    doi:10.1515/jos-2015-0019, whose utility is 1 minus this).
    """

    cells: int
    cells_lost: int
    value_lost: float
    cells_changed: int
    mean_absolute_deviation: float
    largest_deviation: float
    hellinger: float
    hellinger_share: float


def loss(table: CellTable, published: FloatArray, hidden: BoolArray) -> Loss:
    """Compare ``published`` (per cell, ignored where ``hidden``) with the table; of either sign sizes are compared."""
    true = table.sizes
    shown = published if table.size is None else table.size + (published - table.value)
    seen = np.where(hidden, 0.0, shown)
    off = np.abs(seen - true)
    distance = float(np.sqrt(np.sum((np.sqrt(true) - np.sqrt(seen)) ** 2) / 2))
    total = float(np.sqrt(true.sum()))
    return Loss(
        cells=len(table),
        cells_lost=int(hidden.sum()),
        value_lost=float(true[hidden].sum()),
        cells_changed=int((~hidden & (off > 0)).sum()),
        mean_absolute_deviation=float(off.mean()) if len(off) else 0.0,
        largest_deviation=float(off[~hidden].max(initial=0)),
        hellinger=distance,
        hellinger_share=distance / total if total else 0.0,
    )
