"""What whoever asks for a table would rather not lose: cells that must stay published, and what hiding others costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from enclave.requests import TableRequest
from output_control.tables.shown import ShownDimension
from output_control.tables.table import BoolArray, CellTable, Dimension, FloatArray

Cost = Literal["value", "count", "information"]
CANNOT_STAY = (
    "not all cells that are asked to stay published can: one of them is sensitive, or needed to hide one that is"
)
NOTE = (
    "the author chose which cells to keep and what hiding costs, and may have seen the records: which cells end up "
    "hidden can carry what such a choice was made by; ask why, and approve none that the question does not explain"
)
FEWER = "ask for fewer cells to stay published, or for coarser levels"


def cost_by(kind: Cost, table: CellTable, weight: FloatArray | None = None) -> FloatArray | None:
    """What hiding each cell costs: its value, 1, or log(1 + value), times ``weight``; None for the plain value.

    Of a measure of either sign the size takes the place of the value.

    The logarithmic cost is the one that τ-ARGUS offers after Cox.
    """
    if kind == "value" and weight is None:
        return None
    each = {"value": table.sizes, "count": np.ones(len(table)), "information": np.log1p(table.sizes)}[kind]
    return each if weight is None else each * weight


def kept_cells(table: CellTable, wanted: Sequence[Mapping[str, Sequence[str]]]) -> BoolArray | None:
    """The cells of any of ``wanted``: codes per dimension, of one that is not named its total; None when none is asked.

    Empty cells, which are published as 0 anyhow, are not in the table.
    """
    if not wanted:
        return None
    kept = np.zeros(len(table), dtype=np.bool_)
    for each in wanted:
        inside = np.ones(len(table), dtype=np.bool_)
        for position, dim in enumerate(table.dims):
            codes = [dim.index[code] for code in each.get(dim.name, (dim.root,))]
            inside &= np.isin(table.codes[:, position], codes)
        kept |= inside
    return kept


def weight_of(table: CellTable, weights: Mapping[str, Mapping[str, float]]) -> FloatArray | None:
    """Per cell the product of its codes' weights; a code without one has its parent's, and a root 1."""
    if not weights:
        return None
    found = np.ones(len(table))
    for position, dim in enumerate(table.dims):
        found *= _by_code(dim, weights.get(dim.name, {}))[table.codes[:, position]]
    return found


def _by_code(dim: Dimension, given: Mapping[str, float]) -> FloatArray:
    weight = np.ones(len(dim.codes))
    for at, (code, parent) in enumerate(zip(dim.codes, dim.parent.tolist(), strict=True)):
        # codes are depth first, so that parents come before their children
        weight[at] = given.get(code, weight[parent] if parent >= 0 else 1.0)
    return weight


def faults_of_wish(request: TableRequest, shown: Sequence[ShownDimension], *, plain: bool) -> list[str]:
    """Columns and codes that the table does not have; ``plain``: cells of it can be hidden one by one."""
    wish = request.wish
    if not plain and wish_in_words(request):
        return ["cells to keep and costs are for exact, unweighted figures of one kind of unit, protected by hiding"]
    index = {each.column: each.dimension.index for each in shown}
    named = [("wish.keep", column, code) for each in wish.keep for column, code in each.items()]
    named += [("wish.weights", column, code) for column, codes in wish.weights.items() for code in codes]
    faults = [f"{where}: {column} is no dimension" for where, column, _ in named if column not in index]
    faults += [
        f"{where}: the levels shown of {column} have no code {code}"
        for where, column, code in named
        if column in index and code not in index[column]
    ]
    return list(dict.fromkeys(faults))


def wished(
    request: TableRequest, table: CellTable, shown: Sequence[ShownDimension]
) -> tuple[BoolArray | None, FloatArray | None]:
    """Cells that must stay published and the cost of each cell, of a request whose wish has no faults."""
    name = {each.column: each.dimension.name for each in shown}
    wanted = [{name[column]: (code,) for column, code in each.items()} for each in request.wish.keep]
    weights = {name[column]: codes for column, codes in request.wish.weights.items()}
    return kept_cells(table, wanted), cost_by(request.wish.cost, table, weight_of(table, weights))


def wish_document(request: TableRequest) -> dict[str, object]:
    """The wish as checkers see it; it never leaves, for whoever wrote it knows the records."""
    return {**request.wish.model_dump(mode="json"), "note": NOTE}


def wish_in_words(request: TableRequest) -> str:
    """In one line; empty without a wish."""
    wish = request.wish
    said = [f"{len(wish.keep)} kept"] if wish.keep else []
    said += [f"cost: {wish.cost}"] if wish.cost != "value" else []
    said += [f"weights by {', '.join(wish.weights)}"] if wish.weights else []
    return "; ".join(said)
