"""Figures that hold a row's rate against something else: the whole, another category, a standard population.

Each is NaN where any count in it is hidden. What is shown follows from counts that are published, or may be;
`output_control.statistics.rate_audit` undoes it again, and shares no code with this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from output_control.statistics import figures, funnels, standardised
from output_control.statistics.rate_cells import RateCells
from output_control.tables.table import BoolArray, FloatArray

Figures = dict[str, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Expected numbers per row, and the rows in which any count that they take is hidden."""

    value: FloatArray
    hidden: BoolArray


def compared(cells: RateCells, least: int) -> Figures:
    """The figures that the request names, by the name of their column.

    ``least``: distinct units that the whole of a percentage needs; a ratio of two categories needs them in the second.
    """
    found: Figures = {}
    for name in cells.rate.figures:
        if name == "category_ratio":
            found |= _category_ratio(cells, least)
        elif name in _MAKERS:
            found |= _MAKERS[name](cells)
    return found


def expected_numbers(cells: RateCells) -> Expected:
    """By the rates of the whole per stratum (indirect standardisation); a stratum that a row lacks takes no part."""
    value, hidden = np.zeros(len(cells.full)), np.zeros(len(cells.full), dtype=np.bool_)
    for stratum in cells.strata():
        here = cells.count(0, stratum)
        c, n = cells.of_whole(cells.category, stratum), cells.of_whole(0, stratum)
        there = here.cells >= 0
        value += np.where(there & (n.value > 0), here.value * (c.value / np.maximum(n.value, 1)), 0.0)
        hidden |= there & (here.hidden | c.hidden | n.hidden | (n.value <= 0))
    return Expected(value, hidden)


def _quotient(cells: RateCells) -> Figures:
    above, below = cells.count(cells.category), cells.count(0)
    whole = _rate_of_whole(cells)
    own = figures.rate(above.value, below.value)
    return {"quotient": _unless(above.hidden | below.hidden, figures.ratio(own, np.full(len(own), whole)))}


def _category_ratio(cells: RateCells, least: int) -> Figures:
    assert cells.rate.against is not None  # noqa: S101 - faults_of_statistic refuses a request without it
    above, against = cells.count(cells.category), cells.count(cells.code_of(cells.rate.against))
    hidden = above.hidden | against.hidden | cells.few_units(against, least)
    return {"category_ratio": _unless(hidden, figures.ratio(above.value, against.value))}


def _ratio(cells: RateCells) -> Figures:
    expected = expected_numbers(cells)
    return {"ratio": _unless(expected.hidden, figures.ratio(cells.count(cells.category).value, expected.value))}


def _ratio_funnel(cells: RateCells) -> Figures:
    expected = expected_numbers(cells)
    value = _unless(expected.hidden, expected.value)
    limits = funnels.of_ratios(np.where(_whole(cells), np.nan, value))
    return {**_ratio(cells), "expected": value, **{f"ratio_{name}": each for name, each in limits.items()}}


def _funnel(cells: RateCells) -> Figures:
    below, target = cells.count(0), _rate_of_whole(cells)
    others = _unless(below.hidden | _whole(cells), below.value)
    return {"target": np.full(len(others), target), **funnels.of_rates(target, others)}


def _direct(cells: RateCells) -> Figures:
    strata = cells.strata()
    weights = _weights(cells, strata)
    taken = [stratum for stratum, weight in zip(strata, weights, strict=True) if weight != 0]
    counts = [(cells.count(cells.category, stratum), cells.count(0, stratum)) for stratum in taken]
    c = np.array([_unless(above.hidden, above.value) for above, _ in counts])
    n = np.array([_unless(below.hidden, below.value) for _, below in counts])
    value, low, high = standardised.direct(c, n, weights[weights != 0])
    return {"direct": value, "direct_low": low, "direct_high": high}


def _weights(cells: RateCells, strata: list[dict[int, int]]) -> FloatArray:
    """The share of each stratum in the standard population; NaN in all where a count that this takes is hidden."""
    if cells.rate.standard == "classification":
        weights = np.array([_listed(cells, *next(iter(stratum.items()))) for stratum in strata])
    else:
        wholes = [cells.of_whole(0, stratum) for stratum in strata]
        weights = np.array([float(_unless(each.hidden, each.value)[0]) for each in wholes])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _listed(cells: RateCells, position: int, code: int) -> float:
    """What the office's standard population has in a code: its own number, or those of the codes below it."""
    shown = cells.evidence.shown[position]
    return shown.classification.standard_of(shown.dimension.codes[code])


def _rate_of_whole(cells: RateCells) -> float:
    above, below = cells.of_whole(cells.category), cells.of_whole(0)
    return float(_unless(above.hidden | below.hidden, figures.rate(above.value, below.value))[0])


def _whole(cells: RateCells) -> BoolArray:
    """The row of everything: it is its own target, and has no limits."""
    return np.asarray(~cells.codes.any(axis=1))


def _unless(hidden: BoolArray, values: FloatArray) -> FloatArray:
    return np.where(hidden, np.nan, values)


_MAKERS: dict[str, Callable[[RateCells], Figures]] = {
    "ratio": _ratio,
    "quotient": _quotient,
    "direct": _direct,
    "funnel": _funnel,
    "ratio_funnel": _ratio_funnel,
}
