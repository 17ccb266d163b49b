"""Tabulation with evidence: every cell of a request, marginals included, with what the rules need to judge it.

One query per table: records are first added up per combination of codes and unit, then spread over the cells above
them, once per unit, and reduced to a cell's figure, its distinct units and its largest contributions. Sums are
exact decimals, so the figures depend neither on threads nor on the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from enclave.classifications import Classification
from enclave.errors import Refused
from enclave.requests import TableRequest
from output_control.derived import Sources
from output_control.policy import TableRules
from output_control.shown import ShownDimension, faults_of_dimension, shown_dimension
from output_control.table import NO_CONTRIBUTOR, CellTable, CodeArray, FloatArray, IntArray

DECIMALS = 4  # of a measure; sums are whole numbers of its ten-thousandths
LARGEST = 3
LARGEST_SUM = 2**53 / 10**DECIMALS


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A tabulated request. ``table.freq`` counts distinct units and ``table.value`` is the figure to be published.

    ``records`` counts rows per cell; ``size`` is the sum of the units' absolute contributions, which differs from the
    value where contributions are negative (``signed``): dominance is then judged on sizes.
    """

    request: TableRequest
    shown: tuple[ShownDimension, ...]
    table: CellTable
    records: IntArray
    size: FloatArray
    signed: bool


def faults_of_table(
    request: TableRequest, classifications: Mapping[str, Classification], rules: TableRules
) -> list[str]:
    """What is wrong with a request before any data is read."""
    faults = []
    columns = [dimension.column for dimension in request.dimensions]
    if len(set(columns)) < len(columns):
        faults.append("a column is a dimension twice")
    if (request.statistic == "sum") != (request.measure is not None):
        faults.append("a sum needs a measure, and a count has none")
    if request.measure and request.measure in {request.record, request.unit, request.period}:
        faults.append(f"{request.measure} is a key, and a sum of keys says nothing")
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
            codes=_places(request, shown, position, sources),
            column=dimension.column,
        )
        if lost:
            faults.append(
                f"{lost} row(s) have a code in column {dimension.column} that {dimension.classification.name} does not "
                f"have, or that is coarser than the levels shown ({', '.join(dimension.levels)})"
            )
    if request.measure is not None:
        faults += _faults_of_measure(request.measure, schema, table, sources)
    return faults


def shown_dimensions(
    request: TableRequest, classifications: Mapping[str, Classification]
) -> tuple[ShownDimension, ...]:
    """The dimensions of a request that has no faults."""
    return tuple(shown_dimension(each, classifications[each.classification]) for each in request.dimensions)


def tabulate(request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources) -> Evidence:
    """All non-empty cells of ``request``, in the order of their position in the cross product.

    Contributions are those of a unit to a cell, all its records together; the largest are the largest in absolute
    value. A record whose measure is missing takes no part in a sum. Call after the ``faults_of_…`` found nothing.

    Raises:
        Refused: a cell's total is below 0, or no record has a measure.
    """
    found = sources.engine.collect(_query(request, shown, sources), ["cell"])
    cell, records, units = (_whole(found, name) for name in ("cell", "n_records", "n_units"))
    scale = 1 if request.measure is None else 10**DECIMALS
    value, size = _whole(found, "total") / scale, _whole(found, "absolute") / scale
    largest, first_unit = _largest(found.column("tops").combine_chunks())
    if not len(cell):
        raise Refused("no record has a value of the measure")
    if (value < 0).any():
        raise Refused(
            f"{int((value < 0).sum())} cell(s) have a total below 0",
            next_step="ask for gains and losses as two measures; the rules hold for figures of 0 or more",
        )
    dims = tuple(dimension.dimension for dimension in shown)
    codes = np.column_stack(np.unravel_index(cell, tuple(len(dim.codes) for dim in dims))).astype(np.int32)
    table = CellTable(
        dims=dims,
        codes=codes,
        freq=units.astype(np.float64),
        value=value,
        n_contributors=units,
        top=largest / scale,
        sole_contributor=np.where(units == 1, first_unit, NO_CONTRIBUTOR),
        integral=request.statistic == "count",
    )
    return Evidence(request, shown, table, records, size, bool((size != value).any()))


def _query(request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources) -> str:
    """Two steps of addition, then one row per cell."""
    dialect, sql = sources.engine.dialect, sources.sql
    columns = [dimension.column for dimension in shown]
    amount, known = "COUNT(*)", "TRUE"
    if request.measure is not None:
        amount = dialect.exact_sum(sql("{m}", m=request.measure), DECIMALS)
        known = sql("{m} IS NOT NULL", m=request.measure)
    places = " + ".join(f"a{i}.place" for i in range(len(shown)))
    joins = [
        sql(f"JOIN {{a}} AS a{i} ON base.{{c}} = a{i}.code", a=_places(request, shown, i, sources), c=column)
        for i, column in enumerate(columns)
    ]
    unit = sql("base.{unit}", unit=request.unit)
    tops = dialect.top_contributions("CAST(ABS(v) AS BIGINT)", "u", LARGEST)
    return _REDUCTION.format(
        keys=sql("{keys}", keys=list(dict.fromkeys([*columns, request.unit]))),
        amount=amount,
        known=known,
        table=sql("{table}", table=sources.derived_table(request.derivation)),
        places=places,
        joins=" ".join(joins),
        unit=unit,
        tops=tops,
    )


_REDUCTION = """
WITH base AS (SELECT {keys}, COUNT(*) AS n, {amount} AS v FROM {table} WHERE {known} GROUP BY {keys}),
spread AS (SELECT {places} AS cell, {unit} AS u, SUM(n) AS n, SUM(v) AS v FROM base {joins} GROUP BY {places}, {unit})
SELECT cell, CAST(SUM(n) AS BIGINT) AS n_records, COUNT(*) AS n_units, CAST(SUM(v) AS BIGINT) AS total,
       CAST(SUM(ABS(v)) AS BIGINT) AS absolute, {tops} AS tops
FROM spread GROUP BY cell
"""


def _places(request: TableRequest, shown: tuple[ShownDimension, ...], position: int, sources: Sources) -> str:
    """The engine's table of places for one dimension."""
    stride = int(np.prod([len(each.dimension.codes) for each in shown[position + 1 :]], dtype=np.int64))
    return sources.load(f"places_{request.name}_{position}", shown[position].places(stride))


def _largest(tops: pa.ListArray) -> tuple[FloatArray, IntArray]:
    """Cells × 3 largest contributions (0 where there are fewer units), and the unit of the largest one."""
    start = np.asarray(tops.offsets.to_numpy(), dtype=np.int64)
    pairs = tops.values
    value = np.asarray(pairs.field("value").to_numpy(), dtype=np.float64)
    largest = np.zeros((len(tops), LARGEST))
    for rank in range(LARGEST):
        there = np.diff(start) > rank
        largest[there, rank] = value[start[:-1][there] + rank]
    return largest, np.asarray(pairs.field("unit").to_numpy(), dtype=np.int64)[start[:-1]]


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
            return [f"{lost} row(s) have no finite number in measure {measure}; leave it empty where it is not known"]
    size = sources.collect(
        "SELECT COALESCE(SUM(ABS(CAST({m} AS DOUBLE))), 0) AS s FROM {table}", m=measure, table=table
    )
    if float(size.column(0)[0].as_py()) > LARGEST_SUM:
        return [f"the total of measure {measure} is too large to add up exactly; derive it in thousands"]
    return []


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _whole(found: pa.Table, name: str) -> IntArray:
    return np.asarray(found.column(name).to_numpy(), dtype=np.int64)


def cross_product(shape: tuple[int, ...]) -> CodeArray:
    """Codes of every cell of the cross product, row-major."""
    cells: npt.NDArray[np.int64] = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64)
    return np.column_stack(np.unravel_index(cells, shape)).astype(np.int32)
