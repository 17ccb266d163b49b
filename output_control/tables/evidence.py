"""Tabulation with evidence: every cell of a request, marginals included, with what the rules need to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from enclave.classifications import Classification
from enclave.errors import Refused
from enclave.requests import TableRequest
from output_control.banded import banded
from output_control.policy import TableRules
from output_control.statistics.statistic_faults import faults_of_statistic
from output_control.tables.derived import Sources, units_of
from output_control.tables.rollup import Tallies
from output_control.tables.shown import ShownDimension, faults_of_dimension, shown_dimension
from output_control.tables.table import (
    NO_CONTRIBUTOR,
    BoolArray,
    CellTable,
    CodeArray,
    Dimension,
    FloatArray,
    IntArray,
)
from output_control.tables.tabulation import (
    DECIMALS,
    Amounts,
    WeightUse,
    amounts_of,
    codes_table,
    tallies,
    unit_sets,
    write_unit_sets,
)

__all__ = [
    "Evidence",
    "cross_product",
    "faults_of_codes",
    "faults_of_table",
    "shown_dimensions",
    "tabulate",
    "unit_sets",
    "write_unit_sets",
]

LARGEST_SUM = 2**53 / 10**DECIMALS
WIDEST_WEIGHTS = 10_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A tabulated request. ``table.freq`` counts distinct units and ``table.value`` is the figure that adds up.

    ``records`` counts rows per cell, ``weighted`` adds up their sampling weights; ``size`` is the sum of the units'
    absolute totals, which differs from the value where contributions are negative (``signed``, per cell): dominance is
    judged on sizes, and there by weaker rules. ``unit`` is the column of the units counted; ``also`` is the same for
    every further kind of unit.
    ``effective``: how many records of equal weight are worth as much as a cell's, (Σw)²/Σw² (Kish, *Survey Sampling*
    1965, section 11.7); of records without weights their number. ``filled`` counts distinct
    units whose contribution is other than 0. ``beyond``: the same cells, of a sum or a mean whose
    measure is above 0 for nearly all units, with the least of these taken off each record: whoever knows that a
    constant was added to all can take it off again, so dominance must hold for what is left.
    """

    request: TableRequest
    shown: tuple[ShownDimension, ...]
    table: CellTable
    records: IntArray
    size: FloatArray
    signed: BoolArray
    weighted: FloatArray
    unit: str
    effective: FloatArray
    filled: IntArray
    beyond: CellTable | None = None
    also: tuple[Evidence, ...] = ()

    @property
    def summed(self) -> bool:
        """Whether the value adds up contributions, rather than records."""
        return self.request.statistic in {"sum", "mean"} or self.request.weight is not None

    @property
    def kinds(self) -> tuple[Evidence, ...]:
        """The evidence by each kind of unit, the request's own first; a cell must pass for each."""
        return (self, *self.also)


def faults_of_table(
    request: TableRequest, classifications: Mapping[str, Classification], rules: TableRules
) -> list[str]:
    """What is wrong with a request before any data is read."""
    faults = []
    columns = [dimension.column for dimension in request.dimensions]
    if len(set(columns)) < len(columns):
        faults.append("a column is a dimension twice")
    faults += faults_of_statistic(request, classifications)
    cells = 1
    for dimension in request.dimensions:
        classification = classifications.get(dimension.classification)
        if classification is None:
            faults.append(f"column {dimension.column}: there is no classification {dimension.classification}")
            continue
        wrong = faults_of_dimension(dimension, classification, rules)
        faults += wrong
        cells *= 1 if wrong else len(shown_dimension(dimension, classification).dimension.codes)
    if cells > rules.most_cells.value:
        faults.append(f"the table has more than {rules.most_cells.value} cells; ask for coarser levels")
    if cells == 1 and not faults:
        faults.append("the table has one cell only; show at least one level below the total")
    return faults


def faults_of_codes(request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources) -> list[str]:
    """Codes in the data that the classification lacks or that lie above the finest level shown; bad measures."""
    schema = sources.schema(request.derivation)
    table = sources.derived_table(request.derivation)
    faults = []
    for position, dimension in enumerate(shown):
        if not _is_text(schema.field(dimension.column).type):
            faults.append(f"column {dimension.column} holds no text codes")
            continue
        lost = sources.number(
            "SELECT COUNT(*) FROM {table} AS d LEFT JOIN (SELECT DISTINCT code FROM {codes}) AS c "
            "ON d.{column} = c.code WHERE c.code IS NULL",
            table=table,
            codes=codes_table(request, shown, position, sources),
            column=dimension.column,
        )
        if lost:
            faults.append(
                f"{banded(lost)} rows have a code in column {dimension.column} that {dimension.classification.name} "
                f"does not have, or that is coarser than the levels shown ({', '.join(dimension.levels)})"
            )
    for measure in filter(None, (request.measure, request.weight)):
        faults += _faults_of_measure(measure, schema, table, sources)
    if request.weight is not None and not faults:
        faults += _faults_of_weight(request, table, sources)
    return faults


def shown_dimensions(
    request: TableRequest, classifications: Mapping[str, Classification]
) -> tuple[ShownDimension, ...]:
    """The dimensions of a request that has no faults."""
    return tuple(shown_dimension(each, classifications[each.classification]) for each in request.dimensions)


def tabulate(
    request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources, *, weights: WeightUse = "secret"
) -> Evidence:
    """All non-empty cells of ``request``, in the order of their position in the cross product.

    Contributions are those of a unit to a cell, all its records together; the largest are the largest in absolute
    value. A record whose measure is missing takes no part. A mean is tabulated as its sum, a rate and a percentile as
    their counts. With sampling weights the value is weighted; the contributions are, when weights are ``public``.
    Call after the ``faults_of_…`` found nothing.

    Raises:
        Refused: no record has a measure, or a measure is below 0 and never above.
    """
    amounts = amounts_of(request, sources, weights)
    if amounts.never_above:
        # whoever knows that no total is above 0 has a bound from above, which neither suppressor nor audit takes in
        raise Refused(
            f"{request.measure} is below 0 and never above",
            next_step="turn its sign in the derivation, so that it says how much is lost, owed or paid",
        )
    first, *others = (_evidence(request, shown, sources, amounts, unit) for unit in units_of(request))
    return replace(first, also=tuple(others))


def _evidence(
    request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources, amounts: Amounts, unit: str
) -> Evidence:
    found = tallies(request, shown, sources, amounts, unit)
    if not len(found.cell):
        raise Refused("no record has a value of the measure")
    dims = tuple(dimension.dimension for dimension in shown)
    return _evidence_of(found, request, shown, amounts, unit, dims=dims)


def evidence_of_sums(evidence: Evidence, found: Tallies, amounts: Amounts) -> Evidence:
    """``found`` of sums of the cells of ``evidence`` (numbered from 0), by its kind of unit, as cells of a table of
    their own."""
    names = tuple(str(at) for at in range(len(found.cell)))
    dims = (Dimension(name="sum", root="", children={"": names}),)
    below = replace(found, cell=found.cell + 1)
    return _evidence_of(below, evidence.request, evidence.shown, amounts, evidence.unit, dims=dims, like=evidence)


def _evidence_of(
    found: Tallies,
    request: TableRequest,
    shown: tuple[ShownDimension, ...],
    amounts: Amounts,
    unit: str,
    *,
    dims: tuple[Dimension, ...],
    like: Evidence | None = None,
) -> Evidence:
    """``like``: what has figures below 0, where cells of another table are judged as those of this one."""
    names = [*amounts.names, *amounts.counted]
    column = {name: found.sums[:, i] for i, name in enumerate(names)}
    scale = amounts.scale(amounts.total)
    value, size = column[amounts.total] / scale, column["size"] / scale
    signed: BoolArray = size != value
    # where no total is below 0 an attacker is taken to know that: the narrower view
    below = bool((value < 0).any()) if like is None else like.table.size is not None
    unknown = like is not None and like.table.contributors is None
    bounding = None if unknown else _bounding(column, amounts, ~signed)
    table = _table(found, dims, value, column["units"], amounts, bounding=bounding, size=size if below else None)
    return Evidence(
        request=request,
        shown=shown,
        table=table,
        records=column["n"],
        size=size,
        signed=signed,
        weighted=column[amounts.weighted] / amounts.scale(amounts.weighted),
        unit=unit,
        effective=_effective(column),
        filled=column["filled"],
        beyond=_table(found, dims, column["over"] / scale, column["units"], amounts, ranking=1)
        if amounts.least
        else None,
    )


def _bounding(column: Mapping[str, IntArray], amounts: Amounts, positive: BoolArray) -> BoolArray | None:
    """The cells in which a unit's part says what the cell is at least; none in counts of one record of each unit."""
    return None if amounts.total == "n" and bool((column["n"] == column["units"]).all()) else positive


def _effective(column: Mapping[str, IntArray]) -> FloatArray:
    """Both sums in billionths, so one factor is left; no square rounds to 0, or the weights would be refused."""
    if "square" not in column:
        return column["n"].astype(np.float64)
    return np.asarray(column["share"].astype(np.float64) ** 2 / column["square"] / 1e9, dtype=np.float64)


def _table(
    found: Tallies,
    dims: tuple[Dimension, ...],
    value: FloatArray,
    units: IntArray,
    amounts: Amounts,
    *,
    ranking: int = 0,
    bounding: BoolArray | None = None,
    size: FloatArray | None = None,
) -> CellTable:
    """``bounding``: the cells without a contribution below 0, so that each says what its cell is at least."""
    codes = np.column_stack(np.unravel_index(found.cell, tuple(len(dim.codes) for dim in dims))).astype(np.int32)
    return CellTable(
        dims=dims,
        codes=codes,
        freq=units.astype(np.float64),
        value=value,
        n_contributors=units,
        top=np.maximum(found.top[:, ranking], 0) / amounts.scale(amounts.contribution),
        sole_contributor=np.where(units == 1, found.top_unit[:, ranking, 0], NO_CONTRIBUTOR),
        integral=amounts.total == "n",
        contributors=np.where(bounding[:, None], found.top_unit[:, ranking], NO_CONTRIBUTOR)
        if bounding is not None
        else None,
        two_contributors=np.where(
            (units == 2)[:, None], np.sort(found.top_unit[:, ranking, :2], axis=1), NO_CONTRIBUTOR
        ),
        size=size,
    )


def _faults_of_measure(measure: str, schema: pa.Schema, table: str, sources: Sources) -> list[str]:
    kind = schema.field(measure).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return [f"measure {measure} is no number column"]
    if pa.types.is_floating(kind):
        lost = sources.number(
            "SELECT COUNT(*) FROM {table} WHERE CAST({m} AS DOUBLE) = CAST('NaN' AS DOUBLE) "
            "OR ABS(CAST({m} AS DOUBLE)) = CAST('Infinity' AS DOUBLE)",
            table=table,
            m=measure,
        )
        if lost:
            return [f"{banded(lost)} rows have no finite number in {measure}; leave it empty where it is not known"]
    size = sources.collect(
        "SELECT COALESCE(SUM(ABS(CAST({m} AS DOUBLE))), 0) AS s FROM {table}", m=measure, table=table
    )
    if float(size.column(0)[0].as_py()) > LARGEST_SUM:
        return [f"the total of measure {measure} is too large to add up exactly; derive it in thousands"]
    return []


def _faults_of_weight(request: TableRequest, table: str, sources: Sources) -> list[str]:
    """Weights that are missing or not above 0, and weighted totals that cannot be added up exactly."""
    wrong = sources.number(
        "SELECT COUNT(*) FROM {table} WHERE {w} IS NULL OR CAST({w} AS DOUBLE) <= 0", table=table, w=str(request.weight)
    )
    if wrong:
        return [f"{banded(wrong)} rows have no weight above 0 in {request.weight}"]
    ends = sources.collect(
        "SELECT MIN(CAST({w} AS DOUBLE)) AS a, MAX(CAST({w} AS DOUBLE)) AS b FROM {table}",
        table=table,
        w=str(request.weight),
    )
    least, most = (float(ends.column(name)[0].as_py()) for name in ("a", "b"))
    if most > WIDEST_WEIGHTS * least:
        return [f"the weights {request.weight} differ by more than {WIDEST_WEIGHTS:g} times: they choose, not weigh"]
    if request.measure is None:
        return []
    size = sources.collect(
        "SELECT COALESCE(SUM(CAST({w} AS DOUBLE) * ABS(CAST({m} AS DOUBLE))), 0) AS s FROM {table}",
        w=str(request.weight),
        m=request.measure,
        table=table,
    )
    if float(size.column(0)[0].as_py()) > LARGEST_SUM:
        return [f"the weighted total of {request.measure} is too large to add up exactly; derive it in thousands"]
    return []


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def cross_product(shape: tuple[int, ...]) -> CodeArray:
    """Codes of every cell of the cross product, row-major."""
    cells: npt.NDArray[np.int64] = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64)
    return np.column_stack(np.unravel_index(cells, shape)).astype(np.int32)
