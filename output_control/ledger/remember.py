"""A table that is being checked, in the form in which the ledger remembers tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from output_control.ledger.released import COUNT, NOT_COMPARED, ReleasedTable, Rows
from output_control.ledger.rows import LedgerIds, mixed, period_of, rows_of
from output_control.table_check import JudgedTable
from output_control.tables.derived import Sources, member_column
from output_control.tables.evidence import Evidence
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import NO_CONTRIBUTOR, CellTable, IntArray
from output_control.tables.unit_keys import kind_of_key
from output_control.unions.sums import Judge, Sums
from output_control.wishes import wished


class ProjectIds:
    """The project's own integers: for comparing tables of one analysis where there is no ledger."""

    def ids(self, integers: IntArray) -> IntArray:
        """The same integers."""
        return integers


def remembered(judged: JudgedTable, sources: Sources, ids: LedgerIds) -> list[ReleasedTable]:
    """``judged`` with the rows of every cell, nothing hidden yet: one table; of a sum or a mean, its counts beside it.

    A mean counts as its sum, which it gives away nearly.

    Raises:
        Refused: see :func:`output_control.ledger.rows.rows_of`.
    """
    if judged.alone is not None:
        return [_remembered(judged.evidence, judged.primary, NOT_COMPARED, sources, ids)]
    if judged.counts is None or judged.of_counts is None:
        return [_remembered(judged.evidence, judged.primary, COUNT, sources, ids)]
    quantity = f"sum of {judged.evidence.request.measure}"
    return [
        _remembered(judged.evidence, judged.primary, quantity, sources, ids),
        _remembered(judged.counts, judged.of_counts, COUNT, sources, ids),
    ]


def _remembered(
    evidence: Evidence, sensitive: PrimaryResult, quantity: str, sources: Sources, ids: LedgerIds
) -> ReleasedTable:
    request = evidence.request
    rows = rows_of(evidence, sources, ids)
    member = member_column(request, sources.schema(request.derivation))
    keep, cost = wished(request, evidence.table, evidence.shown)
    return ReleasedTable(
        name=request.name,
        release="",
        quantity=quantity,
        kinds=(kind_of_key(request.unit, sources), kind_of_key(member, sources)),
        table=with_ledger_ids(evidence.table, ids),
        rows=rows,
        primary=sensitive,
        hidden=np.zeros(len(evidence.table), dtype=np.bool_),
        sets=set_numbers(evidence.table, rows),
        period=period_of(request, sources),
        keep=keep,
        cost=cost,
    )


def with_ledger_ids(table: CellTable, ids: LedgerIds) -> CellTable:
    """The table with the contributors' ledger ids for the project's integers."""
    sole = table.sole_contributor.copy()
    alone = sole != NO_CONTRIBUTOR
    sole[alone] = ids.ids(sole[alone])
    couples = table.couples.copy()
    both = couples[:, 0] != NO_CONTRIBUTOR
    couples[both] = np.sort(ids.ids(couples[both].reshape(-1)).reshape(-1, 2), axis=1)
    largest = table.contributors
    if largest is not None:
        largest = largest.copy()
        there = largest != NO_CONTRIBUTOR
        largest[there] = ids.ids(largest[there])
    return replace(table, sole_contributor=sole, two_contributors=couples, contributors=largest)


def judge_by_ids(judge: Judge | None, ids: LedgerIds) -> Judge | None:
    """The same judge, for tables whose contributors have ledger ids."""
    if judge is None:
        return None

    def judged(unions: sparse.csr_array) -> Sums | None:
        found = judge(unions)
        return None if found is None else replace(found, table=with_ledger_ids(found.table, ids))

    return judged


def set_numbers(table: CellTable, rows: Rows) -> IntArray:
    """Per cell, the sum of well-spread numbers of its rows (modulo 2^64): equal for equal sets, and else by chance of
    one in 10^18 only."""
    total = np.zeros(len(table), dtype=np.int64)
    np.add.at(total, rows.leaf, mixed(rows.row))
    # from the finest cells up, one dimension after the other
    keys, shape = table.keys(), table.shape
    stride = int(np.prod(shape, dtype=np.int64))
    for position, dim in enumerate(table.dims):
        stride //= shape[position]
        for depth in range(int(dim.depth.max()), 0, -1):
            code = table.codes[:, position].astype(np.int64)
            below = np.flatnonzero(dim.depth[code] == depth)
            parent = keys[below] + (dim.parent[code[below]] - code[below]) * stride
            np.add.at(total, np.searchsorted(keys, parent), total[below])
    return total
