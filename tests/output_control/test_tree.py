"""Leaf tables by brute force, and the splits that the gate takes back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from enclave.errors import Refused
from enclave.requests import Population, TreeRequest, parse_requests
from output_control.models.tree import GrownTree, Leaf, Split, grow_tree, leaves_of, place_records
from output_control.statistics.rounding import significant, to_base
from tests.examples import examples
from tests.output_control.gate_world import World


def tree(*features: str, **fields: object) -> TreeRequest:
    settings: dict[str, object] = {
        "name": "leaves",
        "title": "Tree of the outcome",
        "derivation": "homes",
        "population": Population(dataset="homes", key="home"),
        "record": "home",
        "unit": "owner",
        "outcome": "y",
        "features": features,
    }
    return TreeRequest.model_validate(settings | fields)


def simulated(seed: int = 1, rows: int = 3000, owners: int | None = None) -> pa.Table:
    rng = np.random.default_rng(seed)
    x1, x2, worth = rng.integers(0, 2, rows), rng.integers(0, 2, rows), rng.lognormal(12, 0.4, rows).round(2)
    risk = 0.05 + 0.3 * x1 + 0.25 * x1 * x2 + 0.2 * (worth > 180_000)
    owner = np.arange(rows) if owners is None else rng.integers(0, owners, rows)
    return pa.table(
        {
            "home": pa.array(rng.permutation(rows).astype(np.int64)),
            "owner": pa.array(owner.astype(np.int64)),
            "x1": pa.array(x1),
            "x2": pa.array(x2),
            "worth": pa.array(worth),
            "y": pa.array((rng.random(rows) < risk).astype(np.int64)),
        }
    )


def grown(tmp_path: Path, data: pa.Table, request: TreeRequest, **policy: object) -> GrownTree:
    world = World(tmp_path, policy_overrides=policy).add("homes", data)
    with world.sources() as sources:
        return grow_tree(request, sources, world.policy)


def holds(frame: pd.DataFrame, condition: str) -> pd.Series:
    name, sign, number = condition.split(" ")
    column, value = frame[name], float(number)
    return {"=": column == value, "<=": column <= value, ">": column > value}[sign]


def check_leaves(frame: pd.DataFrame, leaves: tuple[Leaf, ...], least: int = 50, n: int = 10) -> None:
    """Each leaf holds what its conditions say, each record lies in one leaf, and each leaf is large enough."""
    times_seen = np.zeros(len(frame), dtype=int)
    for leaf in leaves:
        inside = np.logical_and.reduce([holds(frame, condition) for condition in leaf.conditions])
        times_seen += inside
        rows = frame[inside]
        assert (leaf.records, leaf.events) == (len(rows), int(rows["y"].sum()))
        assert leaf.units == rows["owner"].nunique() >= least
        assert rows[rows["y"] == 1]["owner"].nunique() >= n
        assert rows[rows["y"] == 0]["owner"].nunique() >= n
        assert leaf.events <= 0.9 * leaf.records
    assert (times_seen == 1).all()


def test_each_leaf_holds_the_records_that_its_conditions_say(tmp_path: Path) -> None:
    data = simulated()
    found = grown(tmp_path, data, tree("x1", "x2", "worth"))
    assert len(found.leaves) >= 4
    check_leaves(data.to_pandas(), found.leaves)


@examples(10, 100, seed=st.integers(0, 10**6), rows=st.integers(150, 700), owners=st.integers(60, 700))
def test_no_leaf_is_smaller_than_the_policy_asks_whatever_the_data(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, owners: int
) -> None:
    data = simulated(seed, rows, owners)
    try:
        found = grown(tmp_path_factory.mktemp("w"), data, tree("x1", "x2", "worth", min_leaf=10, max_depth=6))
    except Refused as error:
        assert "no split of the tree" in str(error)
    else:
        check_leaves(data.to_pandas(), found.leaves)


def test_records_of_few_owners_make_no_leaf(tmp_path: Path) -> None:
    data = simulated()
    owner = data.column("owner").to_numpy().copy()
    few = (data.column("x1").to_numpy() == 1) & (data.column("x2").to_numpy() == 1)
    (tmp_path / "b").mkdir()
    before = grown(tmp_path, data, tree("x1", "x2", max_depth=2))
    assert before.taken_back == 0
    owner[few] %= 49
    after = grown(tmp_path / "b", data.set_column(1, "owner", pa.array(owner)), tree("x1", "x2", max_depth=2))
    assert after.taken_back > 0
    assert ("x1 = 1", "x2 = 1") in {leaf.conditions for leaf in before.leaves}
    assert ("x1 = 1",) in {leaf.conditions for leaf in after.leaves}


def test_a_leaf_where_nearly_everyone_has_the_outcome_is_merged(tmp_path: Path) -> None:
    data = simulated()
    x1 = data.column("x1").to_numpy()
    sure = np.where((x1 == 1) & (np.arange(len(x1)) % 50 > 2), 1, data.column("y").to_numpy())
    with pytest.raises(Refused, match="no split"):
        grown(tmp_path, data.set_column(5, "y", pa.array(sure)), tree("x1"))


def test_a_leaf_without_any_event_is_merged(tmp_path: Path) -> None:
    data = simulated()
    none = np.where(data.column("x1").to_numpy() == 0, 0, data.column("y").to_numpy())
    with pytest.raises(Refused, match="no split"):
        grown(tmp_path, data.set_column(5, "y", pa.array(none)), tree("x1"))


def test_one_owner_of_most_records_of_a_leaf_takes_the_split_back(tmp_path: Path) -> None:
    data = simulated()
    x1, owner = data.column("x1").to_numpy(), data.column("owner").to_numpy().copy()
    mine = np.flatnonzero(x1 == 1)[: int(0.6 * (x1 == 1).sum())]
    owner[mine] = 7
    with pytest.raises(Refused, match="no split"):
        grown(tmp_path, data.set_column(1, "owner", pa.array(owner)), tree("x1"))


def test_thresholds_are_rounded_and_counts_are_those_of_the_rounded_tree(tmp_path: Path) -> None:
    data = simulated()
    found = grown(tmp_path, data, tree("worth", max_depth=2))
    bounds = {float(c.split()[2]) for leaf in found.leaves for c in leaf.conditions}
    assert bounds
    assert all(bound == significant(bound, 2) for bound in bounds)
    check_leaves(data.to_pandas(), found.leaves)


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    data = simulated()
    shuffled = data.take(pa.array(np.random.default_rng(4).permutation(data.num_rows)))
    (tmp_path / "b").mkdir()
    request = tree("x1", "x2", "worth")
    assert grown(tmp_path, data, request).leaves == grown(tmp_path / "b", shuffled, request).leaves


def test_a_text_feature_or_a_missing_value_is_refused(tmp_path: Path) -> None:
    data = simulated(rows=60)
    text = data.set_column(2, "x1", pa.array(["a"] * 60)).set_column(3, "x2", pa.array([None, *[1] * 59]))
    with pytest.raises(Refused) as caught:
        grown(tmp_path, text, tree("x1", "x2"))
    assert "column x1 is no number" in str(caught.value)
    assert "fewer than 10 rows have no value in column x2" in str(caught.value)


def test_a_frame_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no derived frame others"):
        grown(tmp_path, simulated(rows=60), tree("x1", derivation="others"))


def of_three(seed: int = 3, rows: int = 3000) -> pa.Table:
    """The homes of `simulated`, of three sorts: ``c`` (worth) where x1, ``b`` mostly where x2, else mostly ``a``."""
    data, rng = simulated(seed, rows), np.random.default_rng(seed)
    x1, x2 = (data.column(name).to_numpy() for name in ("x1", "x2"))
    chances = np.where(x1 == 1, 0.7, 0.2), np.where(x2 == 1, 0.8, 0.3)
    sort = np.where(rng.random(rows) < chances[0], "c", np.where(rng.random(rows) < chances[1], "b", "a"))
    spent = np.round(100 + 900 * x1 + 300 * x1 * x2 + rng.normal(0, 50, rows), 2)
    return data.append_column("sort", pa.array(sort.tolist())).append_column("spent", pa.array(spent))


def test_a_tree_of_three_categories_counts_each_in_every_leaf(tmp_path: Path) -> None:
    data = of_three()
    found = grown(tmp_path, data, tree("x1", "x2", outcome="sort", target="category", max_depth=2))
    frame, seen = data.to_pandas(), set()
    assert found.categories == ("a", "b", "c") and len(found.leaves) == 4
    for leaf in found.leaves:
        inside = np.logical_and.reduce([holds(frame, condition) for condition in leaf.conditions])
        counted = tuple(int((frame[inside]["sort"] == each).sum()) for each in "abc")
        assert leaf.counts == counted and leaf.records == leaf.units == sum(counted)
        assert max(counted) <= 0.9 * sum(counted) and all(count == 0 or count >= 10 for count in counted)
        seen.add(leaf.conditions)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("rare", "common", "splits"),
    [(10, 0.5, True), (9, 0.5, False), (0, 0.5, True), (0, 0.91, False)],
    ids=["ten of a category", "nine of a category", "none of a category", "over ninety percent of one"],
)
def test_a_leaf_with_few_of_a_category_or_nearly_all_of_one_is_taken_back(
    tmp_path: Path, rare: int, common: float, splits: bool
) -> None:
    x1 = np.repeat([0, 1], 1000)
    sort = np.where(np.arange(2000) % 1000 < 300, "a", np.where(np.arange(2000) % 1000 < 600, "b", "c"))
    inside = np.where(np.arange(1000) < common * 1000, "b", "c")
    inside[:rare] = "a"
    sort[1000:] = inside
    data = simulated(rows=2000).set_column(2, "x1", pa.array(x1)).append_column("sort", pa.array(sort.tolist()))
    request = tree("x1", outcome="sort", target="category", max_depth=1)
    if splits:
        assert len(grown(tmp_path, data, request).leaves) == 2
    else:
        with pytest.raises(Refused, match="no split of the tree leaves enough units of more than one category"):
            grown(tmp_path, data, request)


def test_an_outcome_of_one_category_of_too_many_or_of_numbers_is_refused(tmp_path: Path) -> None:
    data = simulated(rows=300)
    for number, (column, why) in enumerate(
        [
            (["a"] * 300, "has 1 categories"),
            ([f"c{i % 21}" for i in range(300)], "has 21 categories"),
            (list(range(300)), "holds no codes as text"),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(Refused, match=why):
            sorts = data.append_column("sort", pa.array(column))
            grown(tmp_path / str(number), sorts, tree("x1", outcome="sort", target="category"))


def test_a_regression_tree_gives_the_rounded_mean_of_each_leaf(tmp_path: Path) -> None:
    data = of_three()
    found = grown(tmp_path, data, tree("x1", "x2", outcome="spent", target="number", max_depth=2))
    frame = data.to_pandas()
    assert len(found.leaves) >= 3
    for leaf in found.leaves:
        inside = np.logical_and.reduce([holds(frame, condition) for condition in leaf.conditions])
        mean = frame[inside]["spent"].mean()
        assert leaf.units == inside.sum() >= 50
        # three significant digits of figures between 100 and 10,000
        assert leaf.mean is not None and leaf.mean == pytest.approx(mean, rel=0.006)
        assert leaf.mean == significant(leaf.mean, 3)


@pytest.mark.parametrize("planted", ["one rich owner", "nearly all alike", "all but nine alike"])
def test_a_leaf_whose_mean_would_tell_of_one_or_of_all_is_taken_back(tmp_path: Path, planted: str) -> None:
    data = of_three()
    x1, spent = data.column("x1").to_numpy(), data.column("spent").to_numpy().copy()
    request = tree("x1", outcome="spent", target="number", max_depth=1)
    (tmp_path / "before").mkdir()
    assert len(grown(tmp_path / "before", data, request).leaves) == 2
    there = np.flatnonzero(x1 == 1)
    if planted == "one rich owner":
        spent[there] /= 1000
        spent[there[0]] = 1e6
    else:
        others = there[: 9 if planted == "all but nine alike" else len(there) // 11]
        kept = spent[others].copy()
        spent[there], spent[others] = 1000.0, kept
    changed = data.set_column(data.column_names.index("spent"), "spent", pa.array(spent))
    with pytest.raises(Refused, match="of different values and none too large"):
        grown(tmp_path, changed, request)


def test_a_number_of_two_values_is_a_flag(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has two values only"):
        grown(tmp_path, simulated(rows=300), tree("x1", outcome="y", target="number"))


@pytest.mark.parametrize("target", ["category", "number"])
def test_every_kind_of_tree_leaves_as_a_table_with_rounded_counts(tmp_path: Path, target: str) -> None:
    outcome = {"category": "sort", "number": "spent"}[target]
    request = tree("x1", "x2", outcome=outcome, target=target, max_depth=2)
    out = World(tmp_path).add("homes", of_three()).check(request)
    rows = list(csv.DictReader(io.StringIO(out.outputs["outputs/demo/leaves.csv"].decode())))
    assert {"category": 12, "number": 4}[target] == len(rows)
    assert all(int(row[name]) % 10 == 0 for row in rows for name in ("records", "units"))
    if target == "category":
        assert {row["category"] for row in rows} == {"a", "b", "c"}
        assert all(float(r["share"]) == significant(int(r["in_category"]) / int(r["records"]), 3) for r in rows)


def test_a_forest_is_refused_with_the_reason_and_what_to_ask_for() -> None:
    with pytest.raises(Refused, match=r"output request 1 is a forest: .*leaves subtract.*\n.*ask for a tree"):
        parse_requests('[{"kind": "random_forest", "name": "f"}]')


def test_leaves_are_listed_from_low_to_high() -> None:
    splits = {0: Split("a", 0.5, 1, 4), 1: Split("b", 0.5, 2, 3)}
    assert leaves_of(splits) == [2, 3, 4]
    placed = place_records(splits, {"a": np.array([0.0, 0.0, 1.0]), "b": np.array([0.0, 1.0, 0.0])}, 3)
    assert placed.tolist() == [2, 3, 4]


@pytest.mark.parametrize(("count", "base", "rounded"), [(14, 10, 10), (15, 10, 20), (25, 10, 30), (7, 1, 7), (2, 5, 0)])
def test_counts_are_rounded_to_the_nearest_multiple_halves_up(count: int, base: int, rounded: int) -> None:
    assert to_base(count, base) == rounded


@pytest.mark.parametrize(
    ("value", "digits", "rounded"), [(187_350.4, 2, 190_000), (0.5, 2, 0.5), (-0.01234, 3, -0.0123), (0, 2, 0)]
)
def test_thresholds_keep_their_significant_digits(value: float, digits: int, rounded: float) -> None:
    assert significant(value, digits) == rounded
