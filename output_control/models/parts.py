"""The groups of records that an output gives figures of: leaves of a tree with all nodes above them, clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.tables.table import CodeArray, Dimension, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Groups as the cells of a table: ``codes`` (records × dims) are the finest code of each record, in the order of
    the model's frame."""

    dims: tuple[Dimension, ...]
    codes: CodeArray

    @classmethod
    def of(cls, name: str, number: IntArray) -> Parts:
        """Groups side by side; ``number`` of each record, from 0."""
        groups = tuple(f"{name}{each}" for each in range(int(number.max(initial=-1)) + 1))
        return cls((Dimension(name, "all", {"all": groups}),), number[:, None].astype(np.int32) + 1)

    @classmethod
    def none(cls, records: int) -> Parts:
        """All records in one group."""
        return cls((Dimension("population", "all", {}),), np.zeros((records, 1), dtype=np.int32))
