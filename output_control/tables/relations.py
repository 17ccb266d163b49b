"""All equations of a table: each parent cell equals the sum of its children, along every dimension."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.tables.joint_table import JointTable
from output_control.tables.table import CellTable, IntArray

Equations = sparse.csr_array


def equations(table: CellTable) -> Equations:
    """Sparse (equations × cells): +1 for each non-empty child, -1 for the parent; of a joint table, its own.

    Empty cells are known zeros and take no part. A parent that is missing while a child is there cannot occur in an
    additive table; such an equation says nothing and is left out.
    """
    if isinstance(table, JointTable):
        return table.relations
    keys = table.keys()
    order = np.argsort(keys, kind="stable")
    rows: list[IntArray] = []
    cols: list[IntArray] = []
    signs: list[IntArray] = []
    stride = 1
    for position in range(len(table.dims) - 1, -1, -1):
        parent_of = table.dims[position].parent
        code = table.codes[:, position].astype(np.int64)
        child = np.flatnonzero(parent_of[code] >= 0)
        parent_key = keys[child] + (parent_of[code[child]] - code[child]) * stride
        found = np.minimum(np.searchsorted(keys, parent_key, sorter=order), len(keys) - 1)
        parent = order[found]
        known = keys[parent] == parent_key
        row = parent[known] * len(table.dims) + position
        heads = np.unique(row)
        rows += [row, heads]
        cols += [child[known], heads // len(table.dims)]
        signs += [np.ones(int(known.sum()), dtype=np.int64), np.full(len(heads), -1, dtype=np.int64)]
        stride *= len(table.dims[position].codes)
    return _assemble(rows, cols, signs, len(table))


def _assemble(rows: list[IntArray], cols: list[IntArray], signs: list[IntArray], n_cells: int) -> Equations:
    heads, row = np.unique(np.concatenate(rows), return_inverse=True)
    entries = (np.concatenate(signs).astype(np.float64), (row, np.concatenate(cols)))
    return sparse.csr_array(entries, shape=(len(heads), n_cells))


def reduce(matrix: Equations) -> tuple[Equations, IntArray]:
    """Merge cells that are always equal, and drop the equations that this makes void or double.

    An equation with two members of opposite sign makes them equal (a parent with one non-empty child). Returns the
    equations over groups and, per cell, its group; groups are numbered by their first cell.
    """
    group = np.arange(matrix.shape[1], dtype=np.int64)
    while True:
        pairs = _equal_pairs(matrix)
        if not len(pairs):
            return matrix, group
        size = matrix.shape[1]
        graph = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
        _, label = csgraph.connected_components(graph, directed=False)
        first = np.unique(label, return_index=True)[1]
        merged: IntArray = np.argsort(np.argsort(first))[label].astype(np.int64)
        group = merged[group]
        merge = sparse.csr_array((np.ones(size), (np.arange(size), merged)), shape=(size, len(first)))
        matrix = _distinct(sparse.csr_array(matrix @ merge))


def _equal_pairs(matrix: Equations) -> IntArray:
    """Members of the equations of the form a - b = 0."""
    length = np.diff(matrix.indptr)
    start = matrix.indptr[:-1][length == 2].astype(np.int64)
    opposite = matrix.data[start] + matrix.data[start + 1] == 0
    start = start[opposite]
    return np.column_stack([matrix.indices[start], matrix.indices[start + 1]]).astype(np.int64)


def _distinct(matrix: Equations) -> Equations:
    """The same equations without empty ones and without repeats (up to sign)."""
    matrix.eliminate_zeros()
    matrix.sort_indices()
    length = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), length)
    lead = matrix.data[np.minimum(matrix.indptr[:-1], max(len(matrix.data) - 1, 0))] if len(matrix.data) else length
    signed = matrix.data * np.sign(lead)[rows]
    # two independent random projections of each row: equal rows have equal sums, others differ with certainty
    # for all practical purposes, and a wrongly merged pair is caught by the audit, which uses every equation
    weights = np.random.Generator(np.random.Philox(key=20)).random((matrix.shape[1], 2))
    marks = np.zeros((matrix.shape[0], 2))
    np.add.at(marks, rows, signed[:, None] * weights[matrix.indices])
    marks = np.round(marks, 9)
    keep = np.sort(np.unique(np.column_stack([length, marks]), axis=0, return_index=True)[1])
    return sparse.csr_array(matrix[keep[length[keep] > 0]])
