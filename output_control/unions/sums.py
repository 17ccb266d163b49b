"""Sums of cells of one table that are sensitive, as cells of their own; and who says which are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.tables.joint_table import JointTable, joint_table
from output_control.tables.relations import equations
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, IntArray
from output_control.unions.known import known_unions


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """``members`` (sums × cells, 0 and 1) say what is added up; ``table`` and ``primary`` hold the sums as cells."""

    members: sparse.csr_array
    table: CellTable
    primary: PrimaryResult

    def __len__(self) -> int:
        return len(self.primary.mask)

    @staticmethod
    def together(parts: Sequence[Sums]) -> Sums:
        """The sums of several tables, over the same columns."""
        first = parts[0]
        if len(parts) == 1:
            return first
        rest = Sums.together(parts[1:])
        nothing = sparse.csr_array((0, len(first) + len(rest)))
        return Sums(
            sparse.csr_array(sparse.vstack([first.members, rest.members])),
            cells_beside(first.table, rest.table, relations=(nothing, nothing)),
            first.primary.beside(rest.primary),
        )


Judge = Callable[[sparse.csr_array], Sums | None]
"""The sensitive ones among unions of cells (unions × cells), or None."""
Find = Callable[[BoolArray], Sums | None]
"""The sensitive sums that everyone can compute when such cells are hidden, or None."""


def finder(table: CellTable, judge: Judge | None) -> Find | None:
    """What a pattern of ``table`` gives away; None where nothing is judged."""
    if judge is None:
        return None
    relations = equations(table)

    def find(hidden: BoolArray) -> Sums | None:
        return judge(known_unions(relations, hidden))

    return find


def judge_of_some(judge: Judge | None, cells: IntArray, size: int) -> Judge | None:
    """Of a table that has only some ``cells`` of one of ``size`` cells."""
    if judge is None:
        return None

    def judge_some(unions: sparse.csr_array) -> Sums | None:
        found = judge(over_columns(unions, cells, size))
        if found is None:
            return None
        return Sums(sparse.csr_array(found.members[:, cells]), found.table, found.primary)

    return judge_some


def over_columns(unions: sparse.csr_array, columns: IntArray, size: int) -> sparse.csr_array:
    """The same, of cells that lie at ``columns`` among ``size``."""
    entries = sparse.coo_array(unions)
    where = entries.coords[0], columns[entries.coords[1]]
    return sparse.csr_array((entries.data, where), shape=(unions.shape[0], size))


def cells_beside(
    one: CellTable, other: CellTable, *, relations: tuple[sparse.csr_array, sparse.csr_array]
) -> JointTable:
    """The cells of ``one`` and then of ``other`` under ``relations`` for the suppressor and for the audit."""
    size = len(one)
    signed = one.size is not None or other.size is not None
    return joint_table(
        np.append(one.value, other.value),
        np.append(one.sole_contributor, other.sole_contributor),
        integral=one.integral,
        relations=relations[0],
        audited=relations[1],
        name=lambda cell: " × ".join(one.labels(cell)) if cell < size else "what hidden cells add up to",
        two_contributors=np.concatenate([one.couples, other.couples]),
        largest=(np.concatenate([one.top, other.top]), np.concatenate([one.holders, other.holders])),
        size=np.append(one.sizes, other.sizes) if signed else None,
    )
