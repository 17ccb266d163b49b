"""The one query behind a table: records in, per cell its sums, its distinct units and its largest contributions.

What adds up is added up per leaf and then along the hierarchies in memory: units in one leaf cell, and, of units in
several, each record for the cells that hold it alone. These are told along one dimension, the *guide* (the one with
most codes): from level ``a`` of it downwards the record shares no code with another of its unit. Only for the cells
above that are units spread, since there they must be counted once. Sums are whole numbers of ten-thousandths, so that
nothing depends on threads or engine.
"""

# ruff: noqa: S608 (statements hold quoted names and whole numbers, never a value)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from enclave.engine import BatchSink
from enclave.requests import TableRequest
from output_control.tables.derived import Sources
from output_control.tables.rollup import LARGEST, NOBODY, Tallies, roll_up
from output_control.tables.shown import ShownDimension
from output_control.tables.table import IntArray

DECIMALS = 4
OUTERMOST = 20  # fewer than one unit in so many do not hide that a constant was added to all others
WeightUse = Literal["secret", "public"]


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is added up per cell, besides records ``n``: whole-number expressions of a row, by name.

    ``contribution`` is what dominance compares, ``total`` what is published, ``weighted`` the weight of the records;
    each names one of ``rows`` (in ten-thousandths) or ``n``. With weights, ``rows`` also has ``share`` and ``square``:
    a record's weight as a share of the largest one, and its square, in billionths. ``least``: what nearly all
    units have in each record at least (all but one in `OUTERMOST`), in ten-thousandths; 0 where it is not above 0.
    ``never_above``: some measure is below 0 and none above.
    """

    rows: Mapping[str, str]
    contribution: str
    total: str
    weighted: str
    known: str
    least: int = 0
    never_above: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All that is added up, in order."""
        return ("n", *self.rows)

    @staticmethod
    def scale(name: str) -> int:
        """What a sum of that name must be divided by."""
        return 1 if name == "n" else 10**DECIMALS

    @property
    def compared(self) -> tuple[str, ...]:
        """What the contributions of units are ranked by: as they are and, beyond a least measure, without it.

        Expressions over the sums of a unit's records in a cell.
        """
        if not self.least:
            return (self.contribution,)
        return (self.contribution, self.beyond(self.contribution))

    def ranked(self, sums: Mapping[str, IntArray]) -> list[IntArray]:
        """``compared``, of the sums of each unit that are in memory."""
        plain = sums[self.contribution]
        return [plain, self._over(self.contribution, sums)] if self.least else [plain]

    def counts(self, sums: Mapping[str, IntArray]) -> list[IntArray]:
        """``counted``, of the sums of each unit that are in memory."""
        plain, total = sums[self.contribution], sums[self.total]
        one = np.ones(len(plain), dtype=np.int64)
        filled = one if self.contribution == "n" else (plain != 0).astype(np.int64)
        return [one, filled, np.abs(total), *([self._over(self.total, sums)] if self.least else [])]

    def _over(self, name: str, sums: Mapping[str, IntArray]) -> IntArray:
        off = self.least * sums["n"] if name == "v" else np.rint(sums["w"] * (self.least / 10**DECIMALS))
        return np.maximum(sums[name] - off.astype(np.int64), 0)

    @property
    def counted(self) -> dict[str, str]:
        """What is added up per cell over the sums of each unit's records, by name.

        The units; those that contribute something; their totals without sign; and without a least measure, if any.
        """
        something = "1" if self.contribution == "n" else f"CASE WHEN {self.contribution} <> 0 THEN 1 ELSE 0 END"
        each = {"units": "1", "filled": something, "size": f"ABS({self.total})"}
        return each | ({"over": self.beyond(self.total)} if self.least else {})

    def beyond(self, name: str) -> str:
        """One of the sums over a unit's records without the least measure of each; 0 where it is no more than that."""
        off = f"{self.least} * n" if name == "v" else _exact(f"w * {self.least * 1e-8!r}")
        return f"CASE WHEN {name} > {off} THEN {name} - {off} ELSE 0 END"


def amounts_of(request: TableRequest, sources: Sources, weights: WeightUse) -> Amounts:
    """The amounts behind ``request``, from its derived frame ``d``; of a percentile, a median and a rate the counts."""
    added = request.measure if request.statistic in {"sum", "mean"} else None
    rows: dict[str, str] = {}
    if added is not None:
        rows["v"] = _exact(sources.sql("d.{m}", m=added))
    if request.weight is not None:
        weight = sources.sql("CAST(d.{w} AS DOUBLE)", w=request.weight)
        rows["w"] = _exact(weight)
        found = sources.collect(
            "SELECT MAX(CAST(d.{w} AS DOUBLE)) AS m FROM {t} AS d",
            w=request.weight,
            t=sources.derived_table(request.derivation),
        )
        share = f"{weight} * {1 / float(found.column(0)[0].as_py()):.17e}"
        rows |= {"share": _billionths(share), "square": _billionths(f"{share} * {share}")}
        if added is not None:
            rows["t"] = _exact(f"{weight} * " + sources.sql("CAST(d.{m} AS DOUBLE)", m=added))
    plain = "v" if added is not None else "n"
    weighted = "w" if request.weight is not None else "n"
    total = {"n": weighted, "v": "t" if "t" in rows else "v"}[plain]
    known = sources.sql("d.{m} IS NOT NULL", m=request.measure) if request.measure is not None else "TRUE"
    table = sources.sql("{t}", t=sources.derived_table(request.derivation))
    compared = plain if weights == "secret" else total
    if added is None:
        return Amounts(rows, compared, total, weighted, known)
    least, most, lowest = _ends(rows["v"], sources.sql("d.{u}", u=request.unit), table, sources)
    return Amounts(rows, compared, total, weighted, known, max(lowest, 0), never_above=least < 0 and most <= 0)


def _ends(measure: str, unit: str, table: str, sources: Sources) -> tuple[int, int, int]:
    """The least and the most of a measure, and what all but one unit in `OUTERMOST` have at least; 0 without any."""
    ends = f"MIN({measure}) AS a, MAX({measure}) AS b"
    per = f"SELECT {ends} FROM {table} AS d WHERE {measure} IS NOT NULL GROUP BY {unit}"
    found = sources.engine.collect(f"SELECT MIN(a) AS a, MAX(b) AS b, COUNT(*) AS n FROM ({per}) AS per", [])
    least, most, units = (int(found.column(name)[0].as_py() or 0) for name in ("a", "b", "n"))
    lowest = f"SELECT a FROM ({per}) AS per ORDER BY a LIMIT {units // OUTERMOST + 1}"
    share = sources.engine.collect(f"SELECT MAX(a) AS a FROM ({lowest}) AS lowest", [])
    return least, most, int(share.column("a")[0].as_py() or 0)


def _exact(value: str) -> str:
    return f"CAST(round(({value}) * {10**DECIMALS}.0e0, 0) AS BIGINT)"


def _billionths(value: str) -> str:
    return f"CAST(round(({value}) * 1.0e9, 0) AS BIGINT)"


def tallies(
    request: TableRequest, shown: Sequence[ShownDimension], sources: Sources, amounts: Amounts, unit: str
) -> Tallies:
    """Every non-empty cell by its position; sums are ``amounts.names``, then those of ``amounts.counted``.

    Contributions are ranked once for each of ``amounts.compared``.
    """
    found = sources.engine.collect(_query(request, shown, sources, amounts, unit), ["a", "cell"])
    names = [*amounts.names, *amounts.counted]
    sums = np.column_stack([_whole(found, name) for name in names])
    ranked = [_pairs(found.column(f"tops{i}").combine_chunks()) for i in range(len(amounts.compared))]
    top, owner = (np.stack(each, axis=1) for each in zip(*ranked, strict=True))
    rows = Tallies(_whole(found, "cell"), sums, top, owner)
    return roll_up(rows, _whole(found, "a"), [each.dimension for each in shown], _guide(shown))


def _guide(shown: Sequence[ShownDimension]) -> int:
    return int(np.argmax([len(each.dimension.codes) for each in shown]))


def _query(
    request: TableRequest, shown: Sequence[ShownDimension], sources: Sources, amounts: Amounts, unit: str
) -> str:
    """Rows of cells: ``a`` = 0 leaves of units that lie in one, 1… leaves from that level of the guide, -1 any cell."""
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in amounts.names)
    ranked = [
        sources.engine.dialect.top_contributions(f"CAST(ABS({each}) AS BIGINT)", "u", LARGEST) + f" AS tops{i}"
        for i, each in enumerate(amounts.compared)
    ]
    counted = [f"CAST(SUM({each}) AS BIGINT) AS {name}" for name, each in amounts.counted.items()]
    reduced = ", ".join([sums, *counted, *ranked])
    guide, levels = _guide(shown), shown[_guide(shown)].dimension.levels
    places = [f"p{i}" for i in range(len(shown))]
    named, cell = ", ".join(places), " + ".join(places)
    starts = ", ".join(["start AS " + place if i == guide else place for i, place in enumerate(places)])
    grouped = ", ".join("start" if i == guide else place for i, place in enumerate(places))
    above, joins = leaves_above(request, shown, sources)
    inlined = sources.engine.dialect.inlined
    lineage = sources.load(f"lineage_{request.name}", shown[guide].lineage(stride_of(shown, guide)))
    return (
        f"WITH leaf AS {inlined}({_leaf(request, shown, sources, amounts, unit)}), "
        f"per AS (SELECT u, MIN({cell}) AS lo, MAX({cell}) AS hi, {sums} FROM leaf GROUP BY u), "
        f"several AS (SELECT {named}, u, {sums} FROM leaf WHERE u IN (SELECT u FROM per WHERE lo <> hi) "
        f"GROUP BY {named}, u), "
        f"beside AS (SELECT several.*, LAG(p{guide}) OVER (PARTITION BY u ORDER BY p{guide}) AS b, "
        f"LEAD(p{guide}) OVER (PARTITION BY u ORDER BY p{guide}) AS f FROM several), "
        f"levelled AS {inlined}(SELECT {named}, u, {', '.join(amounts.names)}, {_alone_from(levels)} FROM beside "
        + sources.sql(f"JOIN {{l}} AS l ON p{guide} = l.place", l=lineage)
        + f"), rest AS (SELECT {starts}, u, {sums} FROM levelled GROUP BY {grouped}, u), "
        f"spread AS (SELECT {above} AS cell, u, {sums} FROM rest {joins} GROUP BY {above}, u) "
        f"SELECT lo AS cell, 0 AS a, {reduced} FROM per WHERE lo = hi GROUP BY lo "
        f"UNION ALL SELECT {cell} AS cell, a, {reduced} FROM levelled WHERE a < {levels} GROUP BY {cell}, a "
        f"UNION ALL SELECT cell, -1 AS a, {reduced} FROM spread GROUP BY cell"
    )


def _alone_from(levels: int) -> str:
    """The level of the guide from which a record is alone of its unit, and its place on the level above that.

    Places are in depth-first order, so a record shares a code with another of its unit exactly when it does so with the
    one before (``b``) or behind (``f``) it.
    """
    alone = [f"WHEN b >= l{j} OR f <= e{j} THEN {j + 1}" for j in range(levels - 1, 0, -1)]
    start = [f"WHEN b >= l{j} OR f <= e{j} THEN l{j}" for j in range(levels - 1, 0, -1)]
    return f"CASE {' '.join(alone)} ELSE 1 END AS a, CASE {' '.join(start)} ELSE l0 END AS start"


def _leaf(request: TableRequest, shown: Sequence[ShownDimension], sources: Sources, amounts: Amounts, unit: str) -> str:
    """One row per record: its place in each dimension, its unit, its amounts."""
    rows = "".join(f", {expression} AS {name}" for name, expression in amounts.rows.items())
    places = ", ".join(f"c{i}.place AS p{i}" for i in range(len(shown)))
    joins = " ".join(
        sources.sql(
            f"JOIN {{codes}} AS c{i} ON d.{{c}} = c{i}.code", codes=codes_table(request, shown, i, sources), c=c
        )
        for i, c in enumerate(each.column for each in shown)
    )
    table, u = sources.sql("{t}", t=sources.derived_table(request.derivation)), sources.sql("d.{u}", u=unit)
    return f"SELECT {places}, {u} AS u, 1 AS n{rows} FROM {table} AS d {joins} WHERE {amounts.known}"


def leaves_above(request: TableRequest, shown: Sequence[ShownDimension], sources: Sources) -> tuple[str, str]:
    """The position of a cell above, and the joins that spread the places p0, p1 … over all of these."""
    joins = []
    for i, each in enumerate(shown):
        name = sources.load(f"above_{request.name}_{i}", each.above(stride_of(shown, i)))
        joins.append(sources.sql(f"JOIN {{a}} AS a{i} ON p{i} = a{i}.place", a=name))
    return " + ".join(f"a{i}.up" for i in range(len(shown))), " ".join(joins)


def measured_rows(request: TableRequest, shown: Sequence[ShownDimension], sources: Sources, unit: str) -> str:
    """One row per record that has the measure: places p0, p1 …, unit ``u`` and value ``v``."""
    value = _exact(sources.sql("d.{m}", m=str(request.measure)))
    known = sources.sql("d.{m} IS NOT NULL", m=str(request.measure))
    return _leaf(request, shown, sources, Amounts({"v": value}, "v", "v", "n", known), unit)


def codes_table(request: TableRequest, shown: Sequence[ShownDimension], position: int, sources: Sources) -> str:
    """The engine's table of a dimension's codes with their places."""
    return sources.load(f"codes_{request.name}_{position}", shown[position].places(stride_of(shown, position)))


def stride_of(shown: Sequence[ShownDimension], position: int) -> int:
    """How far apart two neighbouring codes of a dimension are in the cross product."""
    return int(np.prod([len(each.dimension.codes) for each in shown[position + 1 :]], dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What each unit has in each finest cell: ``cell`` (position in the cross product) and ``unit``, each pair once, in
    that order, with ``sums`` (pairs × `Amounts.names`) of whole numbers."""

    cell: IntArray
    unit: IntArray
    sums: IntArray


def contributions(
    request: TableRequest, shown: Sequence[ShownDimension], sources: Sources, amounts: Amounts, unit: str
) -> Contributions:
    """Of every unit in every finest cell, the sums of ``amounts.names``."""
    places = " + ".join(f"p{i}" for i in range(len(shown)))
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in amounts.names)
    leaf = _leaf(request, shown, sources, amounts, unit)
    found = sources.engine.collect(
        f"SELECT {places} AS cell, u, {sums} FROM ({leaf}) AS l GROUP BY {places}, u", ["cell", "u"]
    )
    columns = np.column_stack([_whole(found, name) for name in amounts.names])
    return Contributions(_whole(found, "cell"), _whole(found, "u"), columns)


def unit_sets(
    request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources, *, unit: str | None = None
) -> pa.Table:
    """Who is in which cell: ``cell`` (position in the cross product) and ``unit``, each pair once, in that order.

    ``unit`` is another column of units than the request's own. For the release ledger; never for anyone's eyes.
    """
    return sources.engine.collect(_pairs_query(request, shown, sources, unit), ["cell", "unit"])


def write_unit_sets(
    request: TableRequest,
    shown: tuple[ShownDimension, ...],
    sources: Sources,
    sink: BatchSink,
    *,
    unit: str | None = None,
) -> None:
    """As `unit_sets`, batch by batch in bounded memory."""
    sources.engine.write(_pairs_query(request, shown, sources, unit), ["cell", "unit"], sink)


def _pairs_query(request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources, unit: str | None) -> str:
    amounts = amounts_of(request, sources, "secret")
    leaf = _leaf(request, shown, sources, amounts, unit or request.unit)
    places = ", ".join(f"p{i}" for i in range(len(shown)))
    above, joins = leaves_above(request, shown, sources)
    return (
        f"WITH leaf AS (SELECT DISTINCT {places}, u FROM ({leaf}) AS l) "
        f"SELECT DISTINCT {above} AS cell, u AS unit FROM leaf {joins}"
    )


def _pairs(tops: pa.ListArray) -> tuple[IntArray, IntArray]:
    """Cells × `LARGEST` contributions and their units, `NOBODY` where there are fewer."""
    start = np.asarray(tops.offsets.to_numpy(), dtype=np.int64)
    value = np.asarray(tops.values.field("value").to_numpy(), dtype=np.int64)
    unit = np.asarray(tops.values.field("unit").to_numpy(), dtype=np.int64)
    top = np.full((len(tops), LARGEST), NOBODY, dtype=np.int64)
    owner = top.copy()
    for rank in range(LARGEST):
        there = np.diff(start) > rank
        top[there, rank] = value[start[:-1][there] + rank]
        owner[there, rank] = unit[start[:-1][there] + rank]
    return top, owner


def _whole(found: pa.Table, name: str) -> IntArray:
    return np.asarray(found.column(name).to_numpy(), dtype=np.int64)
