"""What a table shows of a classification: the tree of the levels asked for, and where each code falls in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from enclave.classifications import Classification
from enclave.requests import DimensionRequest
from output_control.policy import TableRules
from output_control.tables.table import Dimension


@dataclass(frozen=True, slots=True, eq=False)
class ShownDimension:
    """One dimension of a table with its labels; ``home`` maps a code of the data to the leaf that shows it."""

    column: str
    classification: Classification
    dimension: Dimension
    levels: tuple[str, ...]
    home: Mapping[str, str]

    def labels(self) -> tuple[list[str], list[str]]:
        """Dutch and English labels of all shown codes, in the order of the dimension."""
        known = {code.code: (code.label_nl, code.label_en) for code in self.classification.codes}
        return [known[code][0] for code in self.dimension.codes], [known[code][1] for code in self.dimension.codes]

    def places(self, stride: int) -> pa.Table:
        """(code, place): per code of the data the position of the leaf that shows it, times ``stride``.

        The sum of the places over all dimensions is the position of a cell in the cross product.
        """
        index = self.dimension.index
        places = [index[leaf] * stride for leaf in self.home.values()]
        return pa.table({"code": pa.array(list(self.home), pa.string()), "place": pa.array(places, pa.int64())})

    def above(self, stride: int) -> pa.Table:
        """(place, up): per code its own place and those of all codes above it."""
        own = np.arange(len(self.dimension.codes), dtype=np.int64)
        places, ups, up = [own], [own], own
        while True:
            parent = self.dimension.parent[up].astype(np.int64)
            own, up = own[parent >= 0], parent[parent >= 0]
            if not len(up):
                break
            places.append(own)
            ups.append(up)
        return pa.table({"place": np.concatenate(places) * stride, "up": np.concatenate(ups) * stride})

    def lineage(self, stride: int) -> pa.Table:
        """(place, l0, e0, l1, e1, …): per leaf, on each level, the place of the code above it and the last place below
        that.

        Codes are in depth-first order, so l … e is all that lies below; a leaf that ends early is its own code further
        down.
        """
        dim = self.dimension
        size = np.ones(len(dim.codes), dtype=np.int64)
        for code in range(len(dim.codes) - 1, 0, -1):
            size[dim.parent[code]] += size[code]
        leaves = np.flatnonzero(np.isin(np.arange(len(dim.codes)), dim.parent, invert=True)).astype(np.int64)
        columns = {"place": leaves * stride}
        for level in range(dim.levels):
            at = leaves.copy()
            for _ in range(dim.levels):
                at = np.where(dim.depth[at] > level, dim.parent[at], at)
            columns[f"l{level}"], columns[f"e{level}"] = at * stride, (at + size[at] - 1) * stride
        return pa.table(columns)


def faults_of_dimension(request: DimensionRequest, classification: Classification, rules: TableRules) -> list[str]:
    """Why this classification may not be shown so; empty when it may."""
    unknown = sorted(set(request.levels) - set(classification.levels))
    if unknown:
        return [f"column {request.column}: {len(unknown)} level(s) that {classification.name} does not have"]
    if not classification.geographic:
        return []
    finest = rules.finest_geography.value
    if finest not in classification.levels:
        return [
            f"column {request.column}: {classification.name} has no level {finest}, the finest that the policy allows, "
            "so it cannot be told whether it is finer"
        ]
    allowed = classification.levels[: classification.levels.index(finest) + 1]
    if set(_shown_levels(request, classification)) - set(allowed):
        return [f"column {request.column}: shows an area finer than {finest}; ask for levels {', '.join(allowed)}"]
    return []


def shown_dimension(request: DimensionRequest, classification: Classification) -> ShownDimension:
    """The tree of the shown levels; the root is always shown, since totals are what rows are compared with."""
    levels = _shown_levels(request, classification)
    parent_of = {code.code: code.parent for code in classification.codes}
    shown = [code.code for code in classification.codes if code.level in levels]
    nearest: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    visible = set(shown)
    for code in classification.codes:
        above = nearest.get(parent_of[code.code], "")
        nearest[code.code] = code.code if code.code in visible else above
        if code.code in visible and above:
            children.setdefault(above, []).append(code.code)
    tree = {parent: tuple(below) for parent, below in children.items()}
    dimension = Dimension(name=request.column, root=classification.root, children=tree)
    leaves = set(dimension.leaves)
    home = {code: leaf for code, leaf in nearest.items() if leaf in leaves}
    return ShownDimension(request.column, classification, dimension, levels, home)


def _shown_levels(request: DimensionRequest, classification: Classification) -> tuple[str, ...]:
    root_level = classification.levels[0]
    asked = set(request.levels or classification.levels) | {root_level}
    return tuple(level for level in classification.levels if level in asked)
