"""Cells of several tables, and what is not published at all, under equations of their own: for suppressor and audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.tables.rollup import LARGEST
from output_control.tables.table import NO_CONTRIBUTOR, CellTable, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class JointTable(CellTable):
    """A table without dimensions: ``relations`` for the suppressor and ``audited`` for the audit, each made by its own
    code, take the place of the hierarchies; ``name`` tells people of a cell."""

    relations: sparse.csr_array
    audited: sparse.csr_array
    name: Callable[[int], str]

    def __post_init__(self) -> None:
        """Cells without codes cannot occur twice."""

    def labels(self, cell: int) -> tuple[str, ...]:
        """The name of one cell."""
        return (self.name(cell),)


def joint_table(
    value: FloatArray,
    sole_contributor: IntArray,
    *,
    integral: bool,
    relations: sparse.csr_array,
    audited: sparse.csr_array,
    name: Callable[[int], str],
    two_contributors: IntArray | None = None,
    largest: tuple[FloatArray, IntArray] | None = None,
    size: FloatArray | None = None,
) -> JointTable:
    """The cells with these values, and of measures of either sign their sizes.

    ``largest``: their largest contributions and whose they are, as in `CellTable`.
    """
    top, contributors = (np.zeros((len(value), LARGEST)), None) if largest is None else largest
    return JointTable(
        dims=(),
        codes=np.zeros((len(value), 0), dtype=np.int32),
        freq=value,
        value=value,
        n_contributors=value.astype(np.int64),
        top=top,
        sole_contributor=sole_contributor if not integral else np.full(len(value), NO_CONTRIBUTOR, dtype=np.int64),
        integral=integral,
        two_contributors=None if integral else two_contributors,
        contributors=contributors,
        size=size,
        relations=relations,
        audited=audited,
        name=name,
    )
