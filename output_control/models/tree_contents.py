"""A grown tree as what leaves of it, its evidence, and what checkers see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from output_control.dossier import Contents
from output_control.models.tree import GrownTree, Leaf
from output_control.outputs import OutputColumn, json_bytes, status_columns
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, Cell, Change, Check, Grounds, held
from output_control.statistics.rounding import significant, to_base

LEAF_NOTE = "the leaf counts are rounded; compare them with other tables of this population before approving"
_OUTCOME_CHECKS = {
    "flag": "units with and without the outcome per leaf",
    "category": "units of each category per leaf, and no category that nearly all of a leaf are in",
    "number": "no unit dominates the mean of a leaf, and no value that nearly all of a leaf have",
}


def tree_contents(grown: GrownTree, policy: Policy) -> Contents:
    """The leaves as CSV: conditions and rounded counts; a share is of the rounded counts, a mean is rounded."""
    base, target = policy.public.models.count_base.value, grown.request.target
    per_leaf = len(grown.categories) if target == "category" else 1
    listed = [(number, leaf) for number, leaf in enumerate(grown.leaves, start=1) for _ in range(per_leaf)]
    columns = [
        OutputColumn("leaf", "integer", {"nl": "Blad", "en": "Leaf"}, pa.array([at for at, _ in listed], pa.int64())),
        _texts("conditions", "Voorwaarden", "Conditions", [" and ".join(leaf.conditions) for _, leaf in listed]),
        _counts("records", "Records", "Records", [leaf.records for _, leaf in listed], base),
        _counts("units", "Eenheden", "Units", [leaf.units for _, leaf in listed], base),
        *_outcome(grown, base),
    ]
    document = {
        "model": {"outcome": grown.request.outcome, "target": target, "leaves": len(grown.leaves), "rounded_to": base},
        "checks": [
            "records unique, with unit, within the population",
            "units per leaf",
            _OUTCOME_CHECKS[target],
            "dominance and group disclosure per leaf",
            "rounded thresholds; no scores",
        ],
        "notes": [LEAF_NOTE],
    }
    annex = {
        f"{grown.request.name}.json": json_bytes(
            {"splits_taken_back": grown.taken_back, "leaves": [_exact(leaf, grown) for leaf in grown.leaves]}
        )
    }
    columns += status_columns(np.zeros(len(listed), dtype=np.bool_))
    key = ["leaf", "category"] if target == "category" else ["leaf"]
    grounds = tree_grounds(grown, policy)
    return Contents(grown.request, columns, key, document, annex, parts=grown.parts, grounds=grounds)


def tree_grounds(grown: GrownTree, policy: Policy) -> Grounds:
    """Exact numbers per leaf and class of the outcome, and the splits that were taken back."""
    frame, number = grown.frame, grown.request.target == "number"
    rows = tuple(row for at, leaf in enumerate(grown.leaves, start=1) for row in _leaf_rows(at, leaf, grown))
    head = ("leaf", "conditions", *(() if number else ("class",)), "records", "units")
    back = grown.taken_back
    changes = (Change("taken_back", float(back), "unsafe_leaf", "models.leaf_units", noun="splits"),) if back else ()
    sizes = {"records": frame.records, "units": frame.units}
    return Grounds(sizes, tuple(_held(grown, policy)), (Basis("leaves", head, rows),), changes)


def _held(grown: GrownTree, policy: Policy) -> Iterator[Check]:
    leaves, target = grown.leaves, grown.request.target
    yield held(policy, "unique")
    least = min(leaf.units for leaf in leaves)
    yield held(policy, "leaf_units", "models.leaf_units", least, unmet=grown.taken_back, done="taken_back")
    if target == "number":
        yield held(policy, "mean_units", "tables.mean_units", least)
        yield held(policy, "mean_telling", DOMINANCE)
    else:
        few = min(units for leaf in leaves for units in leaf.units_of if units)
        yield held(policy, "leaf_classes", "tables.minimum_frequency", few)
        # of a flag only those with the outcome are told of
        telling = [(leaf.counts[:1] if target == "flag" else leaf.counts, leaf.records) for leaf in leaves]
        share = max(max(counts) / records for counts, records in telling)
        yield held(policy, "leaf_share", "tables.group_share", share)
    if grown.frame.units < grown.frame.records:
        yield held(policy, "leaf_dominance", DOMINANCE)
    yield held(policy, "thresholds", "models.threshold_digits")
    yield held(policy, "count_base", "models.count_base")


def _leaf_rows(at: int, leaf: Leaf, grown: GrownTree) -> Iterator[tuple[Cell, ...]]:
    conditions = " and ".join(leaf.conditions)
    if grown.request.target == "number":
        yield at, conditions, leaf.records, leaf.units
        return
    for category, records, units in zip(grown.categories, leaf.counts, leaf.units_of, strict=True):
        yield at, conditions, category, records, units


def _outcome(grown: GrownTree, base: int) -> list[OutputColumn]:
    """What is said of the outcome, per leaf or per leaf and category."""
    leaves = grown.leaves
    if grown.request.target == "number":
        means = pa.array([leaf.mean for leaf in leaves], pa.float64())
        return [OutputColumn("mean", "number", {"nl": "Gemiddelde", "en": "Mean"}, means)]
    if grown.request.target == "flag":
        events = _counts("events", "Met de uitkomst", "With the outcome", [leaf.events for leaf in leaves], base)
        return [events, _shares([(leaf.events, leaf.records) for leaf in leaves], base)]
    pairs = [(count, leaf.records) for leaf in leaves for count in leaf.counts]
    return [
        _texts("category", "Categorie", "Category", [*grown.categories] * len(leaves)),
        _counts("in_category", "In de categorie", "In the category", [count for count, _ in pairs], base),
        _shares(pairs, base),
    ]


def _exact(leaf: Leaf, grown: GrownTree) -> dict[str, object]:
    said: dict[str, object] = {"conditions": list(leaf.conditions), "records": leaf.records, "units": leaf.units}
    if grown.request.target == "flag":
        return {**said, "events": leaf.events}
    return {**said, "mean": leaf.mean} if grown.request.target == "number" else {
        **said, "categories": dict(zip(grown.categories, leaf.counts, strict=True))
    }  # fmt: skip


def _counts(name: str, dutch: str, english: str, values: Iterable[int], base: int) -> OutputColumn:
    rounded = pa.array([to_base(value, base) for value in values], pa.int64())
    return OutputColumn(name, "integer", {"nl": dutch, "en": english}, rounded, f"rounded to multiples of {base}")


def _texts(name: str, dutch: str, english: str, values: Sequence[str]) -> OutputColumn:
    return OutputColumn(name, "string", {"nl": dutch, "en": english}, pa.array(values, pa.string()))


def _shares(pairs: Sequence[tuple[int, int]], base: int) -> OutputColumn:
    shares = [significant(to_base(part, base) / to_base(whole, base), 3) for part, whole in pairs]
    return OutputColumn("share", "number", {"nl": "Aandeel", "en": "Share"}, pa.array(shares, pa.float64()))
