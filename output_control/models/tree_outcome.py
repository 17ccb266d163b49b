"""The outcome of a tree: a flag, one of several categories, or a number; and which leaves tell too much of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enclave.errors import Refused
from enclave.requests import TreeRequest
from output_control.models.model_frame import ModelFrame, faults_of_categories
from output_control.policy import Policy, TableRules
from output_control.statistics.group_means import alike, group_mean
from output_control.statistics.two_values import upper_of_two
from output_control.tables.aggregate import aggregate
from output_control.tables.rules import MinimumFrequency, primary
from output_control.tables.table import BoolArray, Dimension, FloatArray, IntArray

EVENT, NONE, ANY = "event", "none", "any"
MOST_CATEGORIES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """``code`` is the category of each record among ``names`` (of a number there is one); ``fitted`` what the tree is
    grown on."""

    target: str
    names: tuple[str, ...]
    code: IntArray
    fitted: FloatArray


def read_outcome(request: TreeRequest, frame: ModelFrame, rules: TableRules) -> Outcome:
    """The outcome of ``request``.

    Raises:
        Refused: categories that are no codes, one or too many of them, or numbers that are no more than two values.
    """
    if request.target == "category":
        return _categories(request.outcome, frame)
    values = frame.numbers(request.outcome)
    if request.target == "flag":
        return Outcome("flag", (EVENT, NONE), np.where(values == 1, 0, 1).astype(np.int64), (values == 1).astype(float))
    if upper_of_two(values, frame.unit, rules) is not None:
        raise Refused(f"outcome {request.outcome} has two values only, or nearly", next_step="ask for the target flag")
    return Outcome("number", (ANY,), np.zeros(frame.records, dtype=np.int64), values)


def _categories(column: str, frame: ModelFrame) -> Outcome:
    faults = faults_of_categories(column, frame)
    names, code = np.unique(frame.categories(column).to_numpy().astype(np.str_), return_inverse=True)
    if not 2 <= len(names) <= MOST_CATEGORIES:
        faults.append(f"outcome {column} has {len(names)} categories; a tree is of 2 to {MOST_CATEGORIES}")
    if faults:
        raise Refused("\n".join(faults), next_step="merge categories in the derivation")
    return Outcome("category", tuple(names.tolist()), code.reshape(-1).astype(np.int64), code.reshape(-1).astype(float))


def unsafe_leaves(leaves: list[int], node: IntArray, frame: ModelFrame, outcome: Outcome, policy: Policy) -> set[int]:
    """Leaves with too few units, too few of them in a category, a dominant unit, or nearly all alike."""
    place = {leaf: position + 1 for position, leaf in enumerate(leaves)}
    lookup = np.zeros(max(leaves) + 1, dtype=np.int32)
    lookup[leaves] = np.arange(1, len(leaves) + 1, dtype=np.int32)
    dims = (
        Dimension("leaf", "all", {"all": tuple(f"leaf{leaf}" for leaf in leaves)}),
        Dimension("outcome", "all of it", {"all of it": outcome.names}),
    )
    codes = np.column_stack([lookup[node], outcome.code + 1]).astype(np.int32)
    ones = np.ones(frame.records)
    table = aggregate(dims, codes, ones, ones, frame.unit, integral=True)
    bad: BoolArray = primary(table, policy.frequency_rule()).mask
    if frame.units < frame.records:
        bad = bad | primary(table, policy.dominance_rules()).mask
    whole = table.codes[:, 1] == 0
    bad = bad | (whole & primary(table, MinimumFrequency(policy.public.models.leaf_units.value)).mask)
    # a leaf that a rounded threshold left without records has no row in the table
    hit = set(table.codes[bad, 0].tolist()) | (set(place.values()) - set(table.codes[:, 0].tolist()))
    for figure in (table.value, table.freq):
        counts = np.zeros((len(leaves) + 1, len(outcome.names) + 1))
        counts[table.codes[:, 0], table.codes[:, 1]] = figure
        hit |= set(np.flatnonzero(_telling(counts, outcome, policy)).tolist())
    if outcome.target == "number":
        hit |= {place[leaf] for leaf in leaves if not _has_mean(outcome.fitted, node == leaf, frame, policy)}
    return {leaf for leaf in leaves if place[leaf] in hit}


def _telling(counts: FloatArray, outcome: Outcome, policy: Policy) -> BoolArray:
    """Leaves that lie nearly as a whole in one category; ``counts`` is leaves × (all, categories)."""
    tables, whole = policy.public.tables, counts[:, 0]
    if outcome.target == "number":
        return np.zeros(len(counts), dtype=np.bool_)
    share = tables.group_share.value * whole
    if outcome.target == "flag":
        # a rare outcome makes nearly every leaf "nearly all without": telling is only who nearly all have the outcome
        return np.asarray((counts[:, 1] > share) | ((counts[:, 1:] == 0).any(axis=1) & (whole > 0)))
    largest = counts[:, 1:].max(axis=1)
    return np.asarray((largest > share) | ((whole - largest < tables.minimum_frequency.value) & (whole > 0)))


def _has_mean(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> bool:
    enough = frame.units_where(rows) >= policy.public.tables.mean_units.value
    return enough and not alike(values, rows, frame, policy) and group_mean(values, rows, frame, policy) is not None
