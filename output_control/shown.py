"""What a table shows of a classification: the tree of the levels asked for, and where each code falls in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from enclave.classifications import Classification
from enclave.requests import DimensionRequest
from output_control.policy import TableRules
from output_control.table import Dimension


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
        """(code, place): per code of the data one row for each shown code that it counts in, times ``stride``.

        The sum of the places over all dimensions is the position of a cell in the cross product.
        """
        codes: list[str] = []
        places: list[int] = []
        parent = self.dimension.parent
        index = self.dimension.index
        for code, leaf in self.home.items():
            place = index[leaf]
            while place >= 0:
                codes.append(code)
                places.append(place * stride)
                place = int(parent[place])
        return pa.table({"code": pa.array(codes, pa.string()), "place": pa.array(places, pa.int64())})


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
