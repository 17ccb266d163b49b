"""Coarser tables: fewer levels, merged neighbours, or per area the finest margins that its cells can bear.

When most cells are small, suppression hides nearly everything and rounding leaves noise: what helps is to choose what
to publish first. The adaptive choice: per area the finest combination of the other dimensions whose non-empty cells
nearly all reach the minimum frequency; the rest is suppressed as ever.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from output_control.protection import Options, Pattern
from output_control.suppression import suppress
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, Dimension, FloatArray, IntArray

NEARLY_ALL = 0.95


def without_levels(table: CellTable, deepest: tuple[int, ...]) -> tuple[CellTable, IntArray]:
    """The table with each dimension cut below depth ``deepest`` (0: the total alone), and the cells that it keeps."""
    kept = np.ones(len(table), dtype=np.bool_)
    dims, codes = [], np.zeros_like(table.codes)
    for position, (dim, depth) in enumerate(zip(table.dims, deepest, strict=True)):
        cut = cut_below(dim, depth)
        place = np.array([cut.index.get(code, -1) for code in dim.codes], dtype=np.int32)
        codes[:, position] = place[table.codes[:, position]]
        kept &= codes[:, position] >= 0
        dims.append(cut)
    cells = np.flatnonzero(kept)
    return _part(table, cells, tuple(dims), codes[cells]), cells


def cut_below(dim: Dimension, deepest: int) -> Dimension:
    """The dimension without the codes below depth ``deepest``."""
    depth = dict(zip(dim.codes, dim.depth.tolist(), strict=True))
    return Dimension(dim.name, dim.root, {code: below for code, below in dim.children.items() if depth[code] < deepest})


def _part(
    table: CellTable,
    cells: IntArray,
    dims: tuple[Dimension, ...],
    codes: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
) -> CellTable:
    return CellTable(
        dims=dims,
        codes=codes,
        freq=table.freq[cells],
        value=table.value[cells],
        n_contributors=table.n_contributors[cells],
        top=table.top[cells],
        sole_contributor=table.sole_contributor[cells],
        integral=table.integral,
        two_contributors=None if table.two_contributors is None else table.two_contributors[cells],
        contributors=None if table.contributors is None else table.contributors[cells],
        size=None if table.size is None else table.size[cells],
    )


def merged_neighbours(dim: Dimension, units: FloatArray, least: float) -> dict[str, tuple[str, ...]]:
    """Groups of neighbouring leaves of one parent that together have ``least`` units; merged code -> its leaves.

    ``units`` is per code of the dimension. Neighbours join in the order of the classification until a group has enough;
    what is left over joins the last group. Leaves that have enough by themselves, and empty ones beside them, stay
    single groups only where no small one needs them.
    """
    groups: dict[str, tuple[str, ...]] = {}
    index = dim.index
    for children in dim.children.values():
        leaves = [code for code in children if not dim.children.get(code)]
        runs: list[list[str]] = []
        enough = True
        for code in leaves:
            if enough:
                runs.append([])
            runs[-1].append(code)
            enough = sum(units[index[each]] for each in runs[-1]) >= least
        if len(runs) > 1 and not enough:
            last = runs.pop()
            runs[-1] += last
        groups |= {"+".join(run): tuple(run) for run in runs}
    return groups


def proposed_merges(table: CellTable, least_units: int) -> dict[str, tuple[str, ...]]:
    """Per dimension the merged codes, by distinct units over everything else, that would give leaves enough units."""
    proposed = {}
    for position, dim in enumerate(table.dims):
        margin = (np.delete(table.codes, position, axis=1) == 0).all(axis=1)
        units = np.zeros(len(dim.codes))
        units[table.codes[margin, position]] = table.freq[margin]
        groups = merged_neighbours(dim, units, least_units)
        proposed[dim.name] = tuple(name for name, codes in groups.items() if len(codes) > 1)
    return proposed


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """What the adaptive choice publishes: per cell whether it is kept, and per area how deep the other dims go.

    ``deepest`` maps the area's code to a depth per other dimension, in their order.
    """

    area: int
    kept: BoolArray
    deepest: dict[str, tuple[int, ...]]


def adaptive_margins(table: CellTable, area: int, least_units: int, nearly: float = NEARLY_ALL) -> Margins:
    """Per code of dimension ``area`` the finest depths of the others at which ``nearly`` all cells have enough units.

    The finest is the combination with the most cells, then the one that comes first. An area whose total has fewer
    units keeps its total, which suppression then hides.
    """
    others = [position for position in range(len(table.dims)) if position != area]
    depth = np.column_stack([table.dims[p].depth[table.codes[:, p]] for p in others]) if others else None
    code, areas = table.codes[:, area], len(table.dims[area].codes)
    enough = np.minimum(table.freq, table.n_contributors) >= least_units
    choices = [tuple(choice) for choice in itertools.product(*(range(table.dims[p].levels) for p in others))]
    best, most = np.zeros(areas, dtype=np.int64), np.zeros(areas)
    for number, choice in enumerate(choices):
        within = np.ones(len(table), dtype=np.bool_) if depth is None else (depth <= np.array(choice)).all(axis=1)
        cells = np.bincount(code[within], minlength=areas)
        good = np.bincount(code[within & enough], minlength=areas)
        better = (good >= nearly * cells) & (cells > most)
        best[better], most[better] = number, cells[better]
    deepest = np.array(choices, dtype=np.int64).reshape(len(choices), len(others))[best]
    kept = np.ones(len(table), dtype=np.bool_) if depth is None else np.all(depth <= deepest[code], axis=1)
    names = table.dims[area].codes
    return Margins(area, kept, {name: tuple(row) for name, row in zip(names, deepest.tolist(), strict=True)})


def area_of(table: CellTable, geographic: int | None = None) -> int:
    """The dimension that stands for areas: the geographic one, or else the one with the most codes."""
    return int(np.argmax(table.shape)) if geographic is None else geographic


def suppress_within(table: CellTable, primary: PrimaryResult, margins: Margins, options: Options) -> Pattern:
    """Suppression that hides what ``margins`` do not keep, and what must be hidden besides.

    Its witnesses stay valid when more is hidden, so the audit of suppression holds for the whole. Raises what
    `output_control.suppression.suppress` raises.
    """
    pattern = suppress(table, primary, options=replace(options, hidden=~margins.kept, keep=None))
    hidden = pattern.suppressed | ~margins.kept
    secondary = hidden & ~primary.mask
    return replace(
        pattern, suppressed=hidden, secondary=secondary, cost=float(table.value[secondary].sum()), method="coarser"
    )
