"""The released columns of each statistic: the figure, the counts attached to it, and the status of every row.

A figure is shown only where every count in it is; a hidden row shows nothing but its codes and status.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from output_control.outputs import OutputColumn, dimension_columns, status_columns, table_columns
from output_control.policy import TableRules
from output_control.statistics.figures import rounded
from output_control.statistics.rates import RateTable
from output_control.statistics.rounding import to_bases
from output_control.table_check import ProtectedTable
from output_control.tables.evidence import Evidence, cross_product
from output_control.tables.table import BoolArray, CodeArray, FloatArray, cell_keys

_TITLES = {
    "value": ("Waarde", "Value"),
    "records": ("Aantal", "Records"),
    "numerator": ("Aantal in de categorie", "Records in the category"),
    "denominator": ("Aantal", "Records"),
    "rate": ("Aandeel", "Rate"),
    "ci95_low": ("95%-interval, onder", "95% low"),
    "ci95_high": ("95%-interval, boven", "95% high"),
    "shrunken": ("Aandeel, naar het gemiddelde getrokken", "Shrunken rate"),
    "ratio": ("Waargenomen gedeeld door verwacht", "Observed by expected"),
    "expected": ("Verwacht aantal", "Expected number"),
    "ratio_limit95_low": ("Controlegrens 95%, onder", "Control limit 95%, low"),
    "ratio_limit95_high": ("Controlegrens 95%, boven", "Control limit 95%, high"),
    "ratio_limit998_low": ("Controlegrens 99,8%, onder", "Control limit 99.8%, low"),
    "ratio_limit998_high": ("Controlegrens 99,8%, boven", "Control limit 99.8%, high"),
    "quotient": ("Locatiequotiënt", "Location quotient"),
    "category_ratio": ("Verhouding tot de andere categorie", "Ratio to the other category"),
    "direct": ("Aandeel, direct gestandaardiseerd", "Directly standardised rate"),
    "direct_low": ("Gestandaardiseerd, 95%-interval, onder", "Standardised, 95% low"),
    "direct_high": ("Gestandaardiseerd, 95%-interval, boven", "Standardised, 95% high"),
    "target": ("Aandeel in het geheel", "Rate of the whole"),
    "limit95_low": ("Controlegrens 95%, onder", "Control limit 95%, low"),
    "limit95_high": ("Controlegrens 95%, boven", "Control limit 95%, high"),
    "limit998_low": ("Controlegrens 99,8%, onder", "Control limit 99.8%, low"),
    "limit998_high": ("Controlegrens 99,8%, boven", "Control limit 99.8%, high"),
}


def statistic_columns(protected: ProtectedTable, rules: TableRules) -> list[OutputColumn]:
    """What leaves of a protected table, codes and labels first."""
    evidence, suppressed = protected.evidence, protected.pattern.suppressed
    if protected.rates is not None:
        return _of_rates(evidence, protected.rates, protected.base)
    if protected.percentiles is not None:
        few = protected.percentiles.fewest() < rules.percentile_units.value
        # between two percentiles of one measure lie as many units as beside one; else eighty of them list a hundred
        few |= np.min([kind.table.freq for kind in evidence.kinds], axis=0) * protected.gap < (
            100 * rules.percentile_units.value
        )
        values = rounded(protected.percentiles.value, rules.figure_digits.value)
        return _of_cells(evidence, values, suppressed | few, [_records(evidence, suppressed, protected.base)])
    if protected.counts is None:
        return table_columns(evidence, suppressed, protected.base, protected.altered)
    counts = [_records(protected.counts, suppressed, protected.base)]
    values = evidence.table.value
    if evidence.request.statistic == "mean":
        # an empty remainder of weights cannot be: weights are above 0
        values = rounded(values / evidence.weighted, rules.figure_digits.value)
    return _of_cells(evidence, values, suppressed, counts)


def hidden_rows(columns: Sequence[OutputColumn]) -> int:
    """How many rows of a released table show a status of suppression."""
    status = next(column for column in columns if column.name == "CONF_STATUS")
    return int(sum(value == "C" for value in status.values.to_pylist()))


def _records(counts: Evidence, suppressed: BoolArray, base: int) -> tuple[str, FloatArray, BoolArray, bool]:
    """The counts attached to a figure, and the cells of it that are hidden."""
    value = to_bases(counts.table.value, base) if counts.table.integral else counts.table.value
    return "records", value, suppressed, counts.table.integral


def _of_cells(
    evidence: Evidence,
    values: FloatArray,
    hidden: BoolArray,
    further: Sequence[tuple[str, FloatArray, BoolArray, bool]],
) -> list[OutputColumn]:
    """Every cell of the cross product; an empty one has counts of 0, and 0 as sum but no mean and no percentile."""
    table = evidence.table
    codes = cross_product(table.shape)
    place = cell_keys(table.codes, table.shape)
    empty = 0.0 if evidence.request.statistic == "sum" else np.nan

    def spread(cells: FloatArray, gone: BoolArray, nothing: float) -> FloatArray:
        out = np.full(len(codes), nothing)
        out[place] = np.where(gone, np.nan, cells)
        return out

    lost = np.zeros(len(codes), dtype=np.bool_)
    lost[place] = hidden
    columns = [
        *_codes(evidence, range(len(table.dims)), codes),
        *[_column(name, spread(cells, gone, 0.0), whole=whole) for name, cells, gone, whole in further],
        _column("value", spread(values, hidden, empty), whole=False, meaning=_meaning(evidence)),
    ]
    return [*columns, *status_columns(lost)]


def _of_rates(evidence: Evidence, rates: RateTable, base: int) -> list[OutputColumn]:
    note = f"rounded to multiples of {base}" if base > 1 else ""
    return [
        *_codes(evidence, rates.rows, rates.codes),
        *[_column(name, values, whole=True, meaning=note) for name, values in rates.counts.items()],
        *[_column(name, values, whole=False) for name, values in rates.figures.items()],
        *status_columns(rates.hidden),
    ]


def _codes(evidence: Evidence, positions: Sequence[int], codes: CodeArray) -> list[OutputColumn]:
    return [
        column
        for place, position in enumerate(positions)
        for column in dimension_columns(evidence, position, pa.array(codes[:, place]))
    ]


def _column(name: str, values: FloatArray, *, whole: bool, meaning: str = "") -> OutputColumn:
    dutch, english = _TITLES[name]
    array = pa.array(values, mask=np.isnan(values))
    shown = array.cast(pa.int64()) if whole else array
    return OutputColumn(name, "integer" if whole else "number", {"nl": dutch, "en": english}, shown, meaning)


def _meaning(evidence: Evidence) -> str:
    request = evidence.request
    what = f"percentile {request.percentile}" if request.percentile else request.statistic
    weighted = f", weighted by {request.weight}" if request.weight else ""
    return f"{what} of {request.measure} over records ({request.record}) that have it{weighted}"
