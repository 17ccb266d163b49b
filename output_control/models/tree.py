"""A classification or regression tree (CART) grown by the gate and released as leaves, never as scores.

Leaf counts are a table, so they meet a table's rules: thresholds are rounded first, records fall into the leaves of
the rounded tree, and a split whose leaves are too small, too pure or dominated is taken back until every leaf is safe.
Source: Breiman, Friedman, Olshen & Stone, *Classification and Regression Trees* (1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enclave.errors import Refused
from enclave.requests import TreeRequest
from output_control.models.model_frame import ModelFrame, read_model_frame
from output_control.models.parts import Parts
from output_control.models.tree_outcome import Outcome, read_outcome, unsafe_leaves
from output_control.policy import Policy
from output_control.statistics.group_means import group_mean
from output_control.statistics.rounding import significant
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, Dimension, FloatArray, IntArray

SEED = 20160101


@dataclass(frozen=True, slots=True)
class Split:
    """An inner node: records with ``feature`` ≤ ``threshold`` go to node ``low``, the others to node ``high``."""

    feature: str
    threshold: float
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of the released tree; counts are exact here and rounded when they leave.

    ``counts``: records per category of the outcome, ``units_of`` units; ``mean``: of a number, rounded as it leaves.
    """

    conditions: tuple[str, ...]
    records: int
    units: int
    counts: tuple[int, ...]
    units_of: tuple[int, ...] = ()
    mean: float | None = None

    @property
    def events(self) -> int:
        """Records with the outcome, where that is a flag."""
        return self.counts[0]


@dataclass(frozen=True, slots=True, eq=False)
class GrownTree:
    """The leaves that may leave, in the order of the tree from low to high; ``taken_back`` counts merged splits.

    ``categories`` are those that leaves count; ``parts`` the leaves, with the nodes above them, as groups of records.
    """

    request: TreeRequest
    categories: tuple[str, ...]
    frame: ModelFrame
    leaves: tuple[Leaf, ...]
    taken_back: int
    parts: Parts


def grow_tree(request: TreeRequest, sources: Sources, policy: Policy) -> GrownTree:
    """Grow the tree of ``request`` on the re-derived frame and take back unsafe splits.

    Raises:
        Refused: everything that is wrong with the frame, or no split survives.
    """
    frame = read_model_frame(request, sources)
    outcome = read_outcome(request, frame, policy.public.tables)
    values = {name: frame.numbers(name) for name in request.features}
    splits = _grow(request, outcome, values, policy)
    taken_back = 0
    while 0 in splits:
        node = place_records(splits, values, frame.records)
        unsafe = unsafe_leaves(leaves_of(splits), node, frame, outcome, policy)
        if not unsafe:
            leaves = tuple(
                Leaf(_conditions(splits, values, leaf), *_contents(node == leaf, frame, outcome, policy))
                for leaf in leaves_of(splits)
            )
            return GrownTree(request, outcome.names, frame, leaves, taken_back, _parts(splits, node, outcome))
        taken_back += _take_back(splits, unsafe)
    raise Refused(
        {
            "flag": "no split of the tree leaves enough units with and without the outcome on both sides",
            "category": "no split of the tree leaves enough units of more than one category on both sides",
            "number": "no split of the tree leaves enough units, of different values and none too large, on both sides",
        }[request.target],
        next_step="ask for larger leaves, other features or a longer period",
    )


def place_records(splits: dict[int, Split], values: dict[str, FloatArray], records: int) -> IntArray:
    """The leaf of each record."""
    node = np.zeros(records, dtype=np.int64)
    for number in sorted(splits):
        split = splits[number]
        here = node == number
        low = values[split.feature] <= split.threshold
        node[here & low], node[here & ~low] = split.low, split.high
    return node


def leaves_of(splits: dict[int, Split], node: int = 0) -> list[int]:
    """The leaves below ``node``, from low to high."""
    if node not in splits:
        return [node]
    return [*leaves_of(splits, splits[node].low), *leaves_of(splits, splits[node].high)]


def _grow(request: TreeRequest, outcome: Outcome, values: dict[str, FloatArray], policy: Policy) -> dict[int, Split]:
    """Inner nodes by number (the root is 0, children have larger numbers), thresholds rounded."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    matrix = np.column_stack([values[name] for name in request.features]).astype(np.float32)
    with threadpool_limits(limits=1):
        kind = DecisionTreeRegressor if outcome.target == "number" else DecisionTreeClassifier
        grown = kind(
            max_depth=request.max_depth,
            min_samples_leaf=max(request.min_leaf, policy.public.models.leaf_units.value),
            random_state=SEED,
        ).fit(matrix, outcome.fitted)
    tree, digits = grown.tree_, policy.public.models.threshold_digits.value
    return {
        number: Split(
            feature=request.features[int(tree.feature[number])],
            threshold=significant(float(tree.threshold[number]), digits),
            low=int(tree.children_left[number]),
            high=int(tree.children_right[number]),
        )
        for number in range(tree.node_count)
        if tree.children_left[number] >= 0
    }


def _parts(splits: dict[int, Split], node: IntArray, outcome: Outcome) -> Parts:
    """The leaves below the nodes that are their sums, by category of the outcome where these are counted."""
    tree = Dimension("node", "0", {str(at): (str(split.low), str(split.high)) for at, split in splits.items()})
    place = np.zeros(int(node.max()) + 1, dtype=np.int32)
    for leaf in np.unique(node).tolist():
        place[leaf] = tree.index[str(leaf)]
    if len(outcome.names) == 1:
        return Parts((tree,), place[node][:, None])
    categories = Dimension("outcome", "all of it", {"all of it": outcome.names})
    return Parts((tree, categories), np.column_stack([place[node], outcome.code + 1]).astype(np.int32))


def _take_back(splits: dict[int, Split], unsafe: set[int]) -> int:
    """Merge each split that has an unsafe leaf and no split below it; returns how many.

    An unsafe leaf beside a split waits: the splits on the other side are taken back first, one round at a time.
    """
    parents = [number for number, split in splits.items() if unsafe & {split.low, split.high}]
    lowest = [number for number in parents if not {splits[number].low, splits[number].high} & set(splits)]
    if not lowest:
        deepest = max(parents)
        below = [leaf for child in (splits[deepest].low, splits[deepest].high) for leaf in _inner(splits, child)]
        lowest = [max(below)]
    for number in lowest:
        del splits[number]
    return len(lowest)


def _inner(splits: dict[int, Split], node: int) -> list[int]:
    if node not in splits:
        return []
    return [node, *_inner(splits, splits[node].low), *_inner(splits, splits[node].high)]


def _conditions(splits: dict[int, Split], values: dict[str, FloatArray], leaf: int) -> tuple[str, ...]:
    flags = {name for name, column in values.items() if set(np.unique(column).tolist()) <= {0.0, 1.0}}
    return tuple(
        _condition(splits[number], low=low, flag=splits[number].feature in flags) for number, low in _path(splits, leaf)
    )


def _contents(
    rows: BoolArray, frame: ModelFrame, outcome: Outcome, policy: Policy
) -> tuple[int, int, tuple[int, ...], tuple[int, ...], float | None]:
    """Records, units, records and units per category, and mean of a leaf."""
    units_of = tuple(frame.units_where(rows & (outcome.code == each)) for each in range(len(outcome.names)))
    counts = tuple(np.bincount(outcome.code[rows], minlength=len(outcome.names)).tolist())
    mean = group_mean(outcome.fitted, rows, frame, policy) if outcome.target == "number" else None
    return int(rows.sum()), frame.units_where(rows), counts, units_of, mean


def _path(splits: dict[int, Split], leaf: int) -> list[tuple[int, bool]]:
    """The splits from the root to ``leaf``, each with the side taken."""
    steps: list[tuple[int, bool]] = []
    node = leaf
    while node:
        number = next(n for n, split in splits.items() if node in {split.low, split.high})
        steps.append((number, splits[number].low == node))
        node = number
    return steps[::-1]


def _condition(split: Split, *, low: bool, flag: bool) -> str:
    if flag:
        return f"{split.feature} = {0 if low else 1}"
    return f"{split.feature} {'<=' if low else '>'} {split.threshold:g}"
