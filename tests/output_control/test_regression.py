"""Odds ratios with arithmetic that can be done by hand, and every reason why a regression may not leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import Population, RegressionRequest, Term
from output_control.models.regression import FittedRegression, fit_regression
from output_control.models.regression_contents import regression_contents
from tests.output_control.gate_world import World

CANARY = "99993412"


def regression(*terms: str | Term, **fields: object) -> RegressionRequest:
    settings: dict[str, object] = {
        "name": "odds",
        "title": "Odds of the outcome",
        "derivation": "homes",
        "population": Population(dataset="homes", key="home"),
        "record": "home",
        "unit": "owner",
        "outcome": "y",
        "terms": tuple(term if isinstance(term, Term) else Term(column=term) for term in terms),
    }
    return RegressionRequest.model_validate(settings | fields)


def two_by_two(a: int, b: int, c: int, d: int) -> pa.Table:
    """Exposed with and without the outcome, unexposed with and without."""
    exposed = np.repeat([1, 1, 0, 0], [a, b, c, d])
    outcome = np.repeat([1, 0, 1, 0], [a, b, c, d])
    rows = len(exposed)
    return pa.table(
        {
            "home": pa.array(range(rows), pa.int64()),
            "owner": pa.array(range(rows), pa.int64()),
            "x": pa.array(exposed, pa.int64()),
            "y": pa.array(outcome, pa.int64()),
        }
    )


def simulated(seed: int = 1, rows: int = 1500, clusters: int = 40, owners: int = 600) -> pa.Table:
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, clusters, rows)
    x1, x2 = rng.integers(0, 2, rows), rng.normal(size=rows).round(3)
    kind = rng.choice(["a", "b", "c"], rows)
    log_odds = -1 + 0.8 * x1 - 0.4 * x2 + 0.5 * (kind == "c") + rng.normal(0, 0.4, clusters)[cluster]
    return pa.table(
        {
            "home": pa.array(rng.permutation(rows).astype(np.int64)),
            "owner": pa.array(rng.integers(0, owners, rows, dtype=np.int64)),
            "area": [f"BU{c:04d}" for c in cluster],
            "x1": pa.array(x1, pa.int64()),
            "x2": pa.array(x2),
            "kind": kind.tolist(),
            "y": pa.array((rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)),
        }
    )


def fitted(tmp_path: Path, data: pa.Table, request: RegressionRequest, **policy: object) -> FittedRegression:
    world = World(tmp_path, policy_overrides=policy).add("homes", data)
    with world.sources() as sources:
        return fit_regression(request, sources, world.policy)


def refusal(tmp_path: Path, data: pa.Table, request: RegressionRequest, **policy: object) -> str:
    with pytest.raises(Refused) as caught:
        fitted(tmp_path, data, request, **policy)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


FULL = regression("x1", "x2", Term(column="kind", categorical=True, reference="a"), cluster="area")


def with_covariate(table: pa.Table, seed: int = 3) -> pa.Table:
    """A second 0/1 column that has nothing to do with the others, so that the model is not saturated."""
    balanced = np.tile([0, 1], table.num_rows)[: table.num_rows]
    return table.append_column("z", pa.array(balanced, pa.int64()))


def test_the_odds_ratio_of_a_two_by_two_table_is_the_cross_product(tmp_path: Path) -> None:
    # within each cell z is half 0 and half 1, so it is independent and the odds ratio of x stays the crude one
    a, b, c, d = 40, 60, 20, 80
    found = fitted(tmp_path, with_covariate(two_by_two(a, b, c, d)), regression("x", "z"))
    assert found.design.terms == ("(intercept)", "x", "z")
    assert found.estimate[1] == pytest.approx(np.log(a * d / (b * c)), abs=1e-9)
    assert found.estimate[2] == pytest.approx(0, abs=1e-9)
    assert found.standard_error[1] == pytest.approx(np.sqrt(1 / a + 1 / b + 1 / c + 1 / d), abs=1e-9)


def sandwich(data: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method and the cluster sandwich, written out: β and standard errors of intercept, x1, x2, b, c."""
    frame = data.to_pandas()
    matrix = np.column_stack(
        [np.ones(len(frame)), frame["x1"], frame["x2"], frame["kind"] == "b", frame["kind"] == "c"]
    ).astype(float)
    y, beta = frame["y"].to_numpy(float), np.zeros(5)
    for _ in range(30):
        p = 1 / (1 + np.exp(-matrix @ beta))
        bread = np.linalg.inv(matrix.T @ (matrix * (p * (1 - p))[:, None]))
        beta = beta + bread @ matrix.T @ (y - p)
    scores = matrix * (y - p)[:, None]
    sums = np.stack([scores[frame["area"] == area].sum(axis=0) for area in sorted(set(frame["area"]))])
    groups, records, parameters = len(sums), len(frame), 5
    factor = groups / (groups - 1) * (records - 1) / (records - parameters)
    return beta, np.sqrt(np.diag(bread @ (sums.T @ sums) @ bread) * factor)


def test_cluster_robust_errors_are_those_of_the_sandwich_written_out(tmp_path: Path) -> None:
    data = simulated()
    beta, error = sandwich(data)
    found = fitted(tmp_path, data, FULL)
    assert found.design.levels == ("", "", "", "b", "c")
    np.testing.assert_allclose(found.estimate, beta, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-7)


def test_the_scale_of_a_number_changes_its_coefficient_and_nothing_else(tmp_path: Path) -> None:
    data = simulated()
    euros = data.set_column(4, "x2", pa.array(data.column("x2").to_numpy() * 1e6))
    (tmp_path / "b").mkdir()
    first, second = fitted(tmp_path, data, FULL), fitted(tmp_path / "b", euros, FULL)
    np.testing.assert_allclose(second.estimate * [1, 1, 1e6, 1, 1], first.estimate, rtol=1e-6, atol=1e-9)


def test_the_order_of_rows_changes_no_bit(tmp_path: Path) -> None:
    data = simulated()
    shuffled = data.take(pa.array(np.random.default_rng(9).permutation(data.num_rows)))
    (tmp_path / "b").mkdir()
    first, second = fitted(tmp_path, data, FULL), fitted(tmp_path / "b", shuffled, FULL)
    assert first.estimate.tobytes() == second.estimate.tobytes()
    assert first.standard_error.tobytes() == second.standard_error.tobytes()


def test_another_reference_category_turns_the_odds_ratio_round(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = regression("x1", "x2", Term(column="kind", categorical=True, reference="c"), cluster="area")
    first, second = fitted(tmp_path, simulated(), FULL), fitted(tmp_path / "b", simulated(), other)
    assert second.design.levels == ("", "", "", "a", "b")
    assert second.estimate[3] == pytest.approx(-first.estimate[4], abs=1e-8)


def test_nine_units_of_a_level_are_refused_and_ten_are_not(tmp_path: Path) -> None:
    ten = with_covariate(two_by_two(10, 30, 40, 100))
    nine = with_covariate(two_by_two(9, 30, 40, 100))
    (tmp_path / "b").mkdir()
    assert fitted(tmp_path, ten, regression("x", "z")).least_level_units == 10
    found = refusal(tmp_path / "b", nine, regression("x", "z"))
    assert "a level of x has fewer than 10 units in an outcome class" in found


def test_records_of_one_household_are_one_unit(tmp_path: Path) -> None:
    data = with_covariate(two_by_two(12, 60, 60, 60))
    owner = data.column("owner").to_numpy().copy()
    owner[:12] = 0
    one_owner = data.set_column(1, "owner", pa.array(owner))
    assert "a level of x has fewer than 10 units" in refusal(tmp_path, one_owner, regression("x", "z"))


def test_levels_count_over_both_outcomes_when_the_policy_says_so(tmp_path: Path) -> None:
    data = with_covariate(two_by_two(9, 30, 40, 100))
    assert fitted(tmp_path, data, regression("x", "z"), level_by_outcome=False).least_level_units == 39


def test_a_small_reference_category_is_refused_too(tmp_path: Path) -> None:
    data = simulated()
    kinds = np.array(data.column("kind").to_pylist(), dtype=object)
    kinds[kinds == "a"] = "b"
    kinds[:5] = "a"
    small = data.set_column(5, "kind", pa.array(kinds.tolist()))
    assert "a level of kind has fewer than 10 units" in refusal(tmp_path, small, FULL)


def test_an_outcome_of_nine_units_is_refused(tmp_path: Path) -> None:
    data = simulated()
    outcome = np.zeros(data.num_rows, dtype=np.int64)
    outcome[:9] = 1
    rare = data.set_column(6, "y", pa.array(outcome))
    assert "an outcome class has fewer than 10 units" in refusal(tmp_path, rare, regression("x2"))


def test_a_saturated_model_is_a_table_and_is_refused(tmp_path: Path) -> None:
    assert "saturated" in refusal(tmp_path, two_by_two(40, 60, 20, 80), regression("x"))


def test_a_term_that_follows_from_others_is_refused(tmp_path: Path) -> None:
    data = simulated()
    data = data.append_column("x3", pa.array(data.column("x2").to_numpy() * 2 + 1))
    assert "linearly dependent" in refusal(tmp_path, data, regression("x1", "x2", "x3"))


def test_ten_clusters_leave_nine_degrees_of_freedom_and_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert "between clusters" in refusal(tmp_path, simulated(clusters=10), FULL)
    assert fitted(tmp_path / "b", simulated(clusters=11), FULL).clusters == 11


def test_degrees_of_freedom_are_counted_in_units(tmp_path: Path) -> None:
    few = simulated(owners=14)
    assert "residual degrees of freedom, counted in units" in refusal(tmp_path, few, FULL)


def test_terms_that_separate_the_outcomes_are_refused(tmp_path: Path) -> None:
    data = simulated()
    telling = data.column("y").to_numpy() + np.random.default_rng(1).random(data.num_rows) * 0.5
    separated = data.append_column("x3", pa.array(telling))
    assert "does not converge" in refusal(tmp_path, separated, regression("x1", "x3"))


def test_terms_that_separate_all_but_a_corner_are_refused(tmp_path: Path) -> None:
    # every level has ten units in both outcomes, but x1 with x2 never goes with the outcome
    data = simulated(rows=3000)
    x1, y = data.column("x1").to_numpy(), data.column("y").to_numpy()
    x2 = np.random.default_rng(2).integers(0, 2, 3000)
    y = np.where((x1 == 1) & (x2 == 1), 0, y)
    data = data.set_column(6, "y", pa.array(y)).append_column("x12", pa.array(x1 * x2))
    data = data.append_column("x4", pa.array(x2))
    found = refusal(tmp_path, data, regression("x1", "x4", "x12", "x2"))
    assert "a level of x12 has fewer than 10 units in an outcome class" in found
    (tmp_path / "b").mkdir()
    numeric = data.append_column("x5", pa.array(x1 * x2 * (1 + np.arange(3000) % 7)))
    assert "does not converge" in refusal(tmp_path / "b", numeric, regression("x1", "x4", "x5"))


def test_a_number_that_only_one_unit_has_is_refused(tmp_path: Path) -> None:
    data = simulated()
    odd = np.arange(data.num_rows) % 5 / 100
    odd[:6] = [3, 4, 5, 6, 7, 8]
    owner = data.column("owner").to_numpy().copy()
    owner[:6] = 5
    outcome = data.column("y").to_numpy().copy()
    outcome[:6] = [0, 1, 0, 1, 0, 1]
    data = data.set_column(1, "owner", pa.array(owner)).set_column(6, "y", pa.array(outcome))
    found = refusal(tmp_path, data.append_column("x3", pa.array(odd)), regression("x1", "x3"))
    assert "a coefficient rests on one unit" in found


def test_the_largest_share_of_a_unit_is_its_part_of_the_partial_leverage(tmp_path: Path) -> None:
    # 100 of 200 exposed, all with the same weight within their group: the share of a unit for x is its own 1/n part
    found = fitted(tmp_path, with_covariate(two_by_two(50, 50, 50, 50)), regression("x", "z"))
    np.testing.assert_allclose(found.largest_share[1], 1 / 200, rtol=1e-6)


@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("y", [0, 1, 2], "outcome y does not consist of 0 and 1"),
        ("y", [1, 1, 1], "outcome y does not consist of 0 and 1"),
        ("y", ["0", "1", "0"], "outcome y is no 0/1 column"),
        ("x1", [None, 1, 0], "fewer than 10 rows have no value in column x1"),
        ("x1", ["a", "b", "a"], "column x1 is no number"),
        ("x2", [1.0, float("inf"), 2.0], "column x2 holds numbers that are not finite"),
        ("kind", [CANARY, "a", "b"], "fewer than 10 codes of kind are no category names"),
        ("kind", ["Jansen; A'dam", "a", "b"], "fewer than 10 codes of kind are no category names"),
        ("kind", ["123456-782", "a", "b"], "fewer than 10 codes of kind are no category names"),
        ("kind", ["1%2+3.4_5 6/7,8=2", "a", "b"], "fewer than 10 codes of kind are no category names"),
        ("kind", ["b", "b", "c"], "the reference of kind is no code"),
        ("area", [None, "BU1", "BU2"], "fewer than 10 rows have no value in column area"),
    ],
)
def test_a_column_that_a_model_cannot_use_is_named_without_its_values(
    tmp_path: Path, column: str, values: list[object], fault: str
) -> None:
    data = simulated(rows=3)
    data = data.set_column(6, "y", pa.array([0, 1, 0])).set_column(5, "kind", pa.array(["a", "b", "c"]))
    data = data.set_column(data.column_names.index(column), column, pa.array(values))
    found = refusal(tmp_path, data, FULL)
    assert fault in found
    assert CANARY not in found
    assert "Jansen" not in found


def test_all_faults_of_a_frame_come_at_once(tmp_path: Path) -> None:
    data = simulated(rows=3).set_column(6, "y", pa.array([0, 1, 2])).set_column(3, "x1", pa.array(["a", "b", "c"]))
    found = refusal(tmp_path, data, FULL)
    assert "outcome y" in found
    assert "column x1" in found


def test_a_regression_without_clusters_has_plain_errors_and_says_so(tmp_path: Path) -> None:
    found = regression_contents(fitted(tmp_path, simulated(), regression("x1", "x2")), World(tmp_path).policy)
    model = found.document["model"]
    assert isinstance(model, dict)
    assert model["standard_errors"] == "maximum likelihood"
    assert "clusters" not in model


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    assert "no column x9" in refusal(tmp_path, simulated(), regression("x9"))
