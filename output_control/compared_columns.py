"""Outputs of one analysis over the same records, through columns that differ for a few units or are classed twice.

`output_control.differences` compares which records frames hold; here it is what their columns say. Two sums of an
income that differ for one person, two regressions whose dummies or weights do, two survival curves in intervals of 1.0
and 1.1: subtracted, each gives the few apart. What left with earlier releases is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pyarrow as pa

from enclave.requests import (
    HistogramRequest,
    LorenzRequest,
    OutputRequest,
    RegressionRequest,
    RocRequest,
    SurvivalRequest,
)
from output_control.models.few_units import held_by_few, largest_parts
from output_control.models.likelihood import local_of
from output_control.policy import Policy
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray

MOST_COLUMNS, MOST_CODES = 300, 40
DEPENDENT = 1e-9  # of a column's size: what is left of one that follows from the others
Place = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Records that one or two derived frames have in common: ``unit`` from 0, columns by frame and name.

    ``cells``: codes that only tables have. Tables are compared with each other cell by cell elsewhere.
    """

    unit: IntArray
    numbers: Mapping[Place, FloatArray]
    codes: Mapping[Place, IntArray]
    cells: Mapping[Place, IntArray]
    weights: frozenset[Place]
    part: float

    def units_where(self, rows: BoolArray) -> int:
        """Distinct units among the marked rows."""
        return len(np.unique(self.unit[rows]))


def faults_of_columns(requests: Sequence[OutputRequest], sources: Sources, policy: Policy) -> list[str]:
    """What requests over the same keys would tell together; frames with faults of their own are left to these."""
    faults: list[str] = []
    for group in _groups(requests, sources):
        if len(group) < 2:
            continue
        for here, there in combinations_with_replacement(sorted({each.derivation for each in group}), 2):
            pair = [each for each in group if each.derivation in {here, there}]
            if len(pair) < 2:
                continue
            rows = _read(pair, here, there, sources)
            if len(rows.unit):
                faults += [*_differing(rows, here, there, policy), *_classed_twice(pair, rows, policy)]
    return list(dict.fromkeys(faults))


def _groups(requests: Sequence[OutputRequest], sources: Sources) -> Iterator[list[OutputRequest]]:
    """Requests of the same record and unit whose frames have the columns that they ask for, of a fitting type."""
    found: dict[tuple[str, str | None, str], list[OutputRequest]] = {}
    for each in requests:
        if sources.derivation(each.derivation) is None:
            continue
        schema = sources.schema(each.derivation)
        if not set(each.columns()) <= set(schema.names):
            continue
        if all(_is_number(schema.field(name).type) for name in (*each.flags(), *each.numbers())):
            found.setdefault((each.record, each.period, each.unit), []).append(each)
    yield from found.values()


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _published_codes(request: OutputRequest) -> tuple[str, ...]:
    """Columns whose codes stand in a model or distribution; clusters and random intercepts do not."""
    inner = {request.cluster, request.group} if isinstance(request, RegressionRequest) else set()
    return tuple(name for name in request.categories() if name not in inner)


def _read(pair: Sequence[OutputRequest], here: str, there: str, sources: Sources) -> _Rows:
    first = pair[0]
    keys = [first.record, *([first.period] if first.period else [])]
    numbers = dict.fromkeys((each.derivation, name) for each in pair for name in (*each.flags(), *each.numbers()))
    codes = dict.fromkeys((each.derivation, name) for each in pair for name in _published_codes(each))
    modelled = len(codes)
    codes |= dict.fromkeys((each.derivation, name) for each in pair for name, _ in each.coded())
    alias = {here: "a", there: "a" if here == there else "b"}
    chosen = [sources.sql(f"a.{{k}} AS k{i}", k=key) for i, key in enumerate(keys)]
    chosen.append(sources.sql("a.{u} AS u", u=first.unit))
    chosen += [sources.sql(f"CAST({alias[f]}.{{c}} AS DOUBLE) AS n{i}", c=name) for i, (f, name) in enumerate(numbers)]
    chosen += [sources.sql(f"{alias[f]}.{{c}} AS c{i}", c=name) for i, (f, name) in enumerate(codes)]
    joined = sources.sql("{a} AS a", a=sources.derived_table(here))
    if here != there:
        same = " AND ".join(sources.sql("a.{k} = b.{k}", k=key) for key in keys)
        joined += sources.sql(" JOIN {b} AS b ON ", b=sources.derived_table(there)) + same
    order = [f"k{i}" for i in range(len(keys))]
    found = sources.engine.collect(f"SELECT {', '.join(chosen)} FROM {joined}", order)  # noqa: S608 - quoted names
    sizes = [sources.number("SELECT COUNT(*) FROM {t}", t=sources.derived_table(name)) for name in (here, there)]
    return _Rows(
        unit=_numbered(found.column("u")),
        numbers={
            place: np.asarray(found.column(f"n{i}").to_numpy(), dtype=np.float64) for i, place in enumerate(numbers)
        },
        codes={place: _numbered(found.column(f"c{i}")) for i, place in enumerate(codes) if i < modelled},
        cells={place: _numbered(found.column(f"c{i}")) for i, place in enumerate(codes) if i >= modelled},
        weights=frozenset((each.derivation, name) for each in pair if (name := getattr(each, "weight", None))),
        part=found.num_rows / max(*sizes, 1),
    )


def _numbered(column: pa.ChunkedArray) -> IntArray:
    indices = column.combine_chunks().dictionary_encode().indices
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _differing(rows: _Rows, here: str, there: str, policy: Policy) -> list[str]:
    n = policy.public.tables.minimum_frequency.value
    limit = (1 + policy.public.distributions.unit_in_direction.value) / 2
    frames = here if here == there else f"{here} and {there}"
    columns = _matrix(rows, n, limit)
    if columns.shape[1] > MOST_COLUMNS:
        return [f"{frames}: more than {MOST_COLUMNS} columns and categories of one analysis cannot be compared"]
    few = _codes_that_differ(rows, n)
    if columns.shape[1] > 2:
        basis = _basis(columns)
        few = few or held_by_few(local_of(basis, basis), rows.unit, n - 1, limit) > limit
    if not few:
        return []
    return [
        f"{frames}: columns that the outputs use differ for fewer than {n} units, so the outputs can be subtracted; "
        "use the same columns for all requests"
    ]


def _matrix(rows: _Rows, n: int, limit: float) -> FloatArray:
    """A column of ones, numbers, which records have them, and a column per code of columns with few codes."""
    ones = np.ones(len(rows.unit))
    # who has another weight than all others is left out by it, or left alone
    weights = [rows.numbers[place] for place in sorted(rows.weights) if np.ptp(rows.numbers[place]) > 0]
    columns = []
    for place, values in rows.numbers.items():
        there = np.isfinite(values)
        columns.append(there.astype(np.float64))
        if int(there.sum()) >= 2 * n and place not in rows.weights:
            columns.append(np.where(there, _without_extremes(values, there, rows.unit, n, limit), 0.0))
    for codes in rows.codes.values():
        distinct = np.unique(codes)
        if len(distinct) <= MOST_CODES:
            columns += [(codes == code).astype(np.float64) for code in distinct]
    return np.column_stack([ones, *weights, *(each for each in columns if _enough(each, rows, n))])


def _without_extremes(values: FloatArray, there: BoolArray, unit: IntArray, n: int, limit: float) -> FloatArray:
    """A number whose spread is that of a few units by itself, less its n − 1 outermost values on either side: what
    one output of such a column tells is judged there."""
    ordered = np.sort(values[there])
    if largest_parts(np.where(there, values - ordered.mean(), 0.0) ** 2, unit, n - 1)[1] <= limit:
        return values
    return np.asarray(np.clip(values, ordered[n - 1], ordered[-n]), dtype=np.float64)


def _enough(column: FloatArray, rows: _Rows, n: int) -> bool:
    """A column that is the same for all says nothing, and what a 0/1 column of a few says its own output is asked."""
    values = np.unique(column)
    return len(values) > 2 or (len(values) == 2 and all(rows.units_where(column == each) >= n for each in values))


def _basis(columns: FloatArray) -> FloatArray:
    """Orthonormal columns that span the same, without those that follow from others."""
    from scipy.linalg import qr
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    centred = columns - np.where(np.arange(columns.shape[1]) > 0, columns.mean(axis=0), 0.0)
    with threadpool_limits(limits=1):  # so that sums have one order
        basis, triangle, _ = qr(centred / np.linalg.norm(centred, axis=0), mode="economic", pivoting=True)
    return np.asarray(basis[:, np.abs(np.diag(triangle)) > DEPENDENT], dtype=np.float64)


def _codes_that_differ(rows: _Rows, n: int) -> bool:
    """Whether the records of a code are, but for those of a few units, the records of a code of another column."""
    flags = {
        place: (values > values.min()).astype(np.int64)
        for place, values in rows.numbers.items()
        if np.isfinite(values).all() and len(np.unique(values)) == 2
    }
    modelled = [*rows.codes.values(), *flags.values()]
    compared = [*combinations(modelled, 2), *product(rows.cells.values(), modelled)]
    return any(_nearly_the_same(rows, first, second, n) for first, second in compared)


def _nearly_the_same(rows: _Rows, first: IntArray, second: IntArray, n: int) -> bool:
    pairs, together = np.unique(np.column_stack([first, second]), axis=0, return_counts=True)
    sizes = [dict(zip(*(each.tolist() for each in np.unique(column, return_counts=True)), strict=True))
             for column in (first, second)]  # fmt: skip
    for (one, other), both in zip(pairs.tolist(), together.tolist(), strict=True):
        if 2 * both < max(sizes[0][one], sizes[1][other]):
            continue  # they differ for half of their records
        apart = (first == one) != (second == other)
        if 0 < rows.units_where(apart) < n <= min(rows.units_where(first == one), rows.units_where(second == other)):
            return True
    return False


def _classed_twice(pair: Sequence[OutputRequest], rows: _Rows, policy: Policy) -> list[str]:
    """Two outputs that cut one column at different places: between two cuts there may be one unit."""
    alike, n = policy.public.distributions.largest_correlation.value, policy.public.tables.minimum_frequency.value
    faults = []
    for first, second in combinations(pair, 2):
        ours, theirs = _cuts(first), _cuts(second)
        if ours is None or theirs is None or ours[0] != theirs[0]:
            continue
        a, b = (rows.numbers[each.derivation, name] for each, name in ((first, ours[1]), (second, theirs[1])))
        same = bool(np.array_equal(a, b))
        if same and ours[2] == theirs[2]:
            continue
        ranked = ours[0] == "lorenz" and ours[2] == theirs[2]  # the order alone decides on its classes
        if same or (not ranked and rows.part > 0.5 and _rank_correlation(a, b) >= alike):
            faults.append(
                f"{first.name} and {second.name} cut one column into different classes, between which fewer than {n} "
                "units may lie; ask for the same classes"
            )
    return faults


def _cuts(request: OutputRequest) -> tuple[str, str, tuple[float, ...]] | None:
    """What kind of classes a request makes, of which column, and where."""
    if isinstance(request, HistogramRequest):
        return "histogram", request.measure, (request.start, request.width, request.bins)
    if isinstance(request, SurvivalRequest):
        return "survival", request.duration, (request.interval,)
    if isinstance(request, LorenzRequest):
        return "lorenz", request.measure, (request.classes,)
    return ("roc", request.score, ()) if isinstance(request, RocRequest) else None


def _rank_correlation(a: FloatArray, b: FloatArray) -> float:
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return abs(float((x * y).sum())) / spread if spread > 0 else 0.0
