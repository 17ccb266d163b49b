"""Every family against another implementation (statsmodels), and every reason why its output may not leave."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
from statsmodels.duration.hazard_regression import PHReg

from enclave.requests import RegressionRequest, Term
from output_control.models.families import FAMILIES
from output_control.models.regression import FittedRegression
from output_control.models.regression_contents import regression_contents
from tests.output_control.gate_world import World
from tests.output_control.test_regression import fitted, refusal, regression, with_covariate

TERMS = ("x1", "x2", Term(column="kind", categorical=True, reference="a"))


def people(seed: int = 4, rows: int = 1200) -> pa.Table:
    """Persons with outcomes of every kind, in 60 areas."""
    rng = np.random.default_rng(seed)
    area = rng.integers(0, 60, rows)
    x1, x2 = rng.integers(0, 2, rows), rng.normal(size=rows).round(3)
    kind = rng.choice(["a", "b", "c"], rows)
    eta = 0.4 + 0.5 * x1 - 0.3 * x2 + 0.4 * (kind == "c")
    years = rng.uniform(0.5, 3, rows).round(2)
    rate = np.exp(eta) * years
    waiting, observed = rng.exponential(1 / np.exp(eta)), rng.uniform(0.1, 3, rows)
    return pa.table(
        {
            "home": pa.array(rng.permutation(rows).astype(np.int64)),
            "owner": pa.array(rng.integers(0, 700, rows)),
            "area": [f"GM{c:04d}" for c in area],
            "x1": pa.array(x1),
            "x2": pa.array(x2),
            "kind": kind.tolist(),
            "years": pa.array(years),
            "weight": pa.array(rng.uniform(0.5, 2, rows).round(2)),
            "income": pa.array((20_000 + 4_000 * eta + rng.normal(0, 3_000, rows) + 2_000 * np.sin(area)).round(0)),
            "cost": pa.array(rng.gamma(4, np.exp(eta) / 4).round(4) + 0.001),
            "visits": pa.array(rng.poisson(rate).astype(np.int64)),
            "calls": pa.array(rng.negative_binomial(2, 2 / (2 + rate)).astype(np.int64)),
            "moved": pa.array((waiting < observed).astype(np.int64)),
            "time": pa.array(np.ceil(np.minimum(waiting, observed) * 20) / 20),  # with ties
        }
    )


def ask(family: str, outcome: str, **fields: object) -> RegressionRequest:
    return regression(*TERMS, family=family, outcome=outcome, **fields)


def ordered(data: pa.Table) -> tuple[pd.DataFrame, np.ndarray]:
    """In the gate's order, with the design matrix written out."""
    frame = data.to_pandas().sort_values("home", ignore_index=True)
    columns = [np.ones(len(frame)), frame["x1"], frame["x2"], frame["kind"] == "b", frame["kind"] == "c"]
    return frame, np.column_stack(columns).astype(float)


ERRORS: dict[str, dict[str, Any]] = {"plain": {}, "robust": {"robust": True}, "cluster": {"cluster": "area"}}


def elsewhere(family: str, frame: pd.DataFrame, matrix: np.ndarray) -> Any:
    """The same model by statsmodels."""
    if family in {"ols", "wls"}:
        weight = frame["weight"] if family == "wls" else np.ones(len(frame))
        return sm.GLM(frame["income"], matrix, var_weights=weight).fit()
    of = sm.families
    links = {
        "logit": ("moved", of.Binomial()),
        "probit": ("moved", of.Binomial(of.links.Probit())),
        "poisson": ("visits", of.Poisson()),
        "gamma": ("cost", of.Gamma(of.links.Log())),
    }
    outcome, kind_of = links[family]
    offset = np.log(frame["years"]) if family == "poisson" else None
    return sm.GLM(frame[outcome], matrix, family=kind_of, offset=offset).fit(tol=1e-13)


def errors_elsewhere(kind: str, other: Any, frame: pd.DataFrame) -> np.ndarray:
    """Standard errors from statsmodels' scores and observed information."""
    if kind == "plain":
        return np.asarray(other.bse)
    bread = np.linalg.inv(-other.model.hessian(other.params, observed=True))
    scores = pd.DataFrame(other.model.score_obs(other.params))
    n, k = scores.shape
    if kind == "cluster":
        scores = scores.groupby(frame["area"]).sum()
    factor = {"robust": n / (n - k), "cluster": len(scores) / (len(scores) - 1) * (n - 1) / (n - k)}[kind]
    return np.sqrt(np.diag(bread @ scores.T.to_numpy() @ scores.to_numpy() @ bread) * factor)


OUTCOMES = {"ols": "income", "wls": "income", "logit": "moved", "probit": "moved", "poisson": "visits", "gamma": "cost"}
SANDWICH: dict[str, Any] = {
    "plain": lambda frame: {},
    "robust": lambda frame: {"cov_type": "HC1"},
    "cluster": lambda frame: {"cov_type": "cluster", "cov_kwds": {"groups": pd.factorize(frame["area"])[0]}},
}
FIELDS: dict[str, dict[str, Any]] = {"wls": {"weight": "weight"}, "poisson": {"exposure": "years"}}


@pytest.mark.parametrize("kind", list(ERRORS))
@pytest.mark.parametrize("family", list(OUTCOMES))
def test_estimates_and_standard_errors_are_those_of_statsmodels(tmp_path: Path, family: str, kind: str) -> None:
    data = people()
    found = fitted(tmp_path, data, ask(family, OUTCOMES[family], **FIELDS.get(family, {}), **ERRORS[kind]))
    frame, matrix = ordered(data)
    other = elsewhere(family, frame, matrix)
    np.testing.assert_allclose(found.estimate, other.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.standard_error, errors_elsewhere(kind, other, frame), rtol=1e-6)
    if family == "ols":
        least_squares = sm.OLS(frame["income"], matrix).fit(**SANDWICH[kind](frame))
        np.testing.assert_allclose(found.standard_error, least_squares.bse, rtol=1e-6)
        assert found.facts["r_squared"] == pytest.approx(least_squares.rsquared, rel=1e-10)
        assert found.facts["dispersion"] == pytest.approx(other.scale, rel=1e-10)


def test_a_negative_binomial_has_the_likelihoods_maximum_of_statsmodels(tmp_path: Path) -> None:
    data = people()
    found = fitted(tmp_path, data, ask("negative_binomial", "calls", exposure="years"))
    frame, matrix = ordered(data)
    model = sm.NegativeBinomial(frame["calls"], matrix, exposure=frame["years"])
    other = model.fit(disp=0, maxiter=500, method="newton", start_params=[*found.estimate, found.facts["alpha"]])
    np.testing.assert_allclose([*found.estimate, found.facts["alpha"]], other.params, rtol=1e-5, atol=1e-7)
    # the other takes the observed information, this one the expected: equal but for chance
    np.testing.assert_allclose(found.standard_error, other.bse[:-1], rtol=0.06)
    glm = sm.GLM(
        frame["calls"],
        matrix,
        family=sm.families.NegativeBinomial(alpha=found.facts["alpha"]),
        offset=np.log(frame["years"]),
    ).fit(tol=1e-13)
    np.testing.assert_allclose(found.standard_error, glm.bse, rtol=1e-6)


def test_a_random_intercept_is_that_of_statsmodels_reml(tmp_path: Path) -> None:
    data = people()
    found = fitted(tmp_path, data, ask("mixed", "income", group="area"))
    frame, matrix = ordered(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = sm.MixedLM(frame["income"] / 1000, matrix, groups=frame["area"]).fit(reml=True, gtol=1e-10)
    np.testing.assert_allclose(found.estimate / 1000, other.fe_params, rtol=1e-4)
    np.testing.assert_allclose(found.standard_error / 1000, other.bse_fe, rtol=1e-3)
    assert found.facts["variance_within"] / 1e6 == pytest.approx(other.scale, rel=1e-4)
    assert found.facts["variance_between"] / 1e6 == pytest.approx(float(np.asarray(other.cov_re)[0, 0]), rel=1e-3)


@pytest.mark.parametrize("kind", ["plain", "cluster"])
def test_a_cox_model_is_that_of_statsmodels_with_breslows_ties(tmp_path: Path, kind: str) -> None:
    data = people()
    found = fitted(tmp_path, data, ask("cox", "moved", duration="time", **ERRORS[kind]))
    frame, matrix = ordered(data)
    model = PHReg(frame["time"], matrix[:, 1:], status=frame["moved"], ties="breslow")
    other = model.fit(groups=pd.factorize(frame["area"])[0] if kind == "cluster" else None)
    assert found.design.terms == ("x1", "x2", "kind", "kind")
    np.testing.assert_allclose(found.estimate, other.params, rtol=1e-5)
    np.testing.assert_allclose(found.standard_error, other.bse, rtol=1e-4)


def test_leverage_of_a_cox_model_sums_to_one_over_the_records(tmp_path: Path) -> None:
    data = people(rows=400)
    every = data.set_column(1, "owner", pa.array(np.zeros(400, dtype=np.int64)))
    from output_control.models.likelihood import CoxModel

    frame, matrix = ordered(every)
    model = CoxModel(matrix[:, 1:], frame["moved"].to_numpy() == 1, frame["time"].to_numpy())
    local = model.at(np.array([0.3, -0.2, 0.1, 0.4]))
    bread = np.linalg.inv(local.information)
    np.testing.assert_allclose(local.spread(bread / np.sqrt(np.diag(bread))).sum(axis=0), np.ones(4), rtol=1e-10)


def test_the_score_of_a_cox_model_is_the_derivative_of_its_partial_likelihood() -> None:
    frame, matrix = ordered(people(rows=200))
    values, event, time = matrix[:, 1:], frame["moved"].to_numpy() == 1, frame["time"].to_numpy()
    from output_control.models.likelihood import CoxModel

    def partial(beta: np.ndarray) -> float:
        eta = values @ beta
        return float(sum(eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in np.flatnonzero(event)))

    beta = np.array([0.3, -0.2, 0.1, 0.4])
    slopes = [(partial(beta + 1e-5 * e) - partial(beta - 1e-5 * e)) / 2e-5 for e in np.eye(4)]
    np.testing.assert_allclose(CoxModel(values, event, time).at(beta).scores.sum(axis=0), slopes, rtol=1e-5)


# what may not leave -------------------------------------------------------------------------------------------------


def with_column(data: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    return data.append_column(name, pa.array(values))


ALL = {
    **{family: {"outcome": outcome, **FIELDS.get(family, {})} for family, outcome in OUTCOMES.items()},
    "negative_binomial": {"outcome": "calls"},
    "mixed": {"outcome": "income", "group": "area"},
    "cox": {"outcome": "moved", "duration": "time"},
}


def test_every_family_of_the_table_is_tested() -> None:
    assert ALL.keys() == FAMILIES.keys()


@pytest.mark.parametrize("family", list(ALL))
def test_a_dummy_for_one_person_is_refused_in_every_family(tmp_path: Path, family: str) -> None:
    # ACRO releases this one: the dummy's coefficient gives that person's outcome back
    data = people()
    one = with_column(data, "me", (np.arange(data.num_rows) == 7).astype(np.int64))
    found = refusal(tmp_path, one, regression("x1", "x2", "me", family=family, **ALL[family]))
    assert "a level of me has fewer than 10 units" in found


@pytest.mark.parametrize("family", list(ALL))
def test_a_number_that_only_one_unit_has_is_refused_in_every_family(tmp_path: Path, family: str) -> None:
    # of many values, so that it is no dummy: nearly all the information about it is one owner's
    data = people()
    owner = data.column("owner").to_numpy().copy()
    event = data.column("moved").to_numpy()
    mine = np.r_[np.flatnonzero(event == 1)[:6], np.flatnonzero(event == 0)[:6]]
    owner[mine] = owner[mine[0]]
    odd = np.random.default_rng(1).uniform(0, 0.3, data.num_rows)
    odd[mine] = [1, 2, 3, 1, 2, 3, 3, 1, 2, 2, 1, 3]
    data = with_column(data.set_column(1, "owner", pa.array(owner)), "odd", odd)
    found = refusal(tmp_path, data, regression("x1", "x2", "odd", family=family, **ALL[family]))
    assert "rests on one unit for the larger part" in found or "one unit determines" in found


def test_a_combination_of_terms_that_one_unit_determines_is_refused(tmp_path: Path) -> None:
    # each of the two rests on many units, but they differ for one unit only
    data = people(rows=1000)
    data = data.set_column(1, "owner", pa.array(np.arange(1000)))
    base = np.random.default_rng(1).normal(size=1000).round(2)
    other = base.copy()
    other[5] += 1.0
    data = with_column(with_column(data, "u", base), "v", other)
    found = refusal(tmp_path, data, regression("x1", "u", "v", family="ols", outcome="income"))
    assert "one unit" in found
    (tmp_path / "b").mkdir()
    loose = refusal(
        tmp_path / "b", data, regression("x1", "u", "v", family="ols", outcome="income"), unit_leverage=0.99
    )
    assert "one unit" in loose


def test_an_outcome_that_one_unit_dominates_in_a_level_is_refused(tmp_path: Path) -> None:
    data = people()
    income = data.column("income").to_numpy().copy()
    income[np.flatnonzero(data.column("x1").to_numpy() == 1)[0]] = 1e9
    rich = data.set_column(data.column_names.index("income"), "income", pa.array(income))
    found = refusal(tmp_path, rich, ask("ols", "income"))
    assert "one unit dominates a level of x1" in found
    assert "one unit dominates the outcome" in found


def test_a_level_without_ten_units_with_events_is_refused_for_counts(tmp_path: Path) -> None:
    data = people()
    visits = data.column("visits").to_numpy().copy()
    exposed = np.flatnonzero(data.column("x1").to_numpy() == 1)
    visits[exposed] = 0
    visits[exposed[:9]] = 2
    few = data.set_column(data.column_names.index("visits"), "visits", pa.array(visits))
    assert "a level of x1 has fewer than 10 units with the outcome" in refusal(tmp_path, few, ask("poisson", "visits"))


def test_a_saturated_linear_model_is_refused(tmp_path: Path) -> None:
    assert "saturated" in refusal(tmp_path, people(), regression("x1", family="ols", outcome="income"))


def test_an_outcome_that_the_terms_give_exactly_is_refused(tmp_path: Path) -> None:
    data = people()
    exact = with_column(data, "y", 3 + 2 * data.column("x2").to_numpy() - data.column("x1").to_numpy())
    assert "does not converge" in refusal(tmp_path, exact, regression("x1", "x2", family="ols", outcome="y"))


def test_groups_that_do_not_differ_have_no_random_intercept(tmp_path: Path) -> None:
    data = people()
    flat = with_column(data, "y", np.random.default_rng(1).permutation(data.column("income").to_numpy()))
    same = pa.array([f"GM{i % 40:04d}" for i in range(data.num_rows)])
    by = regression("x1", "x2", family="mixed", outcome="y", group="area")
    flat = flat.set_column(2, "area", same)
    alike = flat.set_column(
        flat.column_names.index("y"), "y", pa.array(np.tile([1.0, 5.0, 9.0], flat.num_rows // 3).repeat(1))
    )
    assert "no random intercept" in refusal(tmp_path, alike.set_column(2, "area", pa.array(_balanced(1200))), by)


def _balanced(rows: int) -> list[str]:
    """Groups of thirty rows that hold ten of each value: their means do not differ at all."""
    return [f"GM{i // 30:04d}" for i in range(rows)]


def test_counts_without_overdispersion_have_no_negative_binomial(tmp_path: Path) -> None:
    rows = 1200
    even = with_column(people(), "y", np.tile([1, 2, 2, 3], rows // 4))
    found = refusal(tmp_path, even, regression("x1", "x2", family="negative_binomial", outcome="y"))
    assert "vary no more than Poisson counts do" in found


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"family": "wls", "outcome": "income"}, "family wls needs the field weight"),
        ({"family": "ols", "outcome": "income", "weight": "weight"}, "family ols does not use the field weight"),
        ({"family": "cox", "outcome": "moved"}, "family cox needs the field duration"),
        ({"family": "mixed", "outcome": "income"}, "family mixed needs the field group"),
        ({"family": "mixed", "outcome": "income", "group": "area", "robust": True}, "plain standard errors only"),
        ({"family": "ols", "outcome": "income", "robust": True, "cluster": "area"}, "robust or clustered, not both"),
        ({"family": "poisson", "outcome": "income2"}, "other numbers than counts"),
        ({"family": "gamma", "outcome": "zero"}, "holds numbers that are not above 0"),
        ({"family": "ols", "outcome": "moved"}, "two values only, or nearly; ask for the family logit"),
        ({"family": "wls", "outcome": "income", "weight": "zero"}, "column zero holds numbers that are not above 0"),
    ],
)
def test_what_does_not_belong_to_a_family_is_refused(tmp_path: Path, fields: dict[str, Any], fault: str) -> None:
    data = people(rows=300)
    data = with_column(data, "income2", data.column("income").to_numpy() + 0.5)
    data = with_column(data, "zero", np.r_[0.0, np.arange(1.0, 300.0)])
    assert fault in refusal(tmp_path, data, regression(*TERMS, **fields))


# what leaves ---------------------------------------------------------------------------------------------------------


def contents(tmp_path: Path, found: FittedRegression) -> tuple[dict[str, list[Any]], Any]:
    made = regression_contents(found, World(tmp_path).policy)
    return {column.name: column.values.to_pylist() for column in made.columns}, made.document


def test_ratios_leave_with_intervals_rounded_and_sizes_to_tens(tmp_path: Path) -> None:
    found = fitted(tmp_path, people(), ask("cox", "moved", duration="time"))
    columns, document = contents(tmp_path, found)
    assert columns["term"] == ["x1", "x2", "kind", "kind"]
    assert columns["hazard_ratio"][0] == float(f"{np.exp(found.estimate[0]):.3e}")
    assert columns["ci95_low"][0] < columns["hazard_ratio"][0] < columns["ci95_high"][0]
    assert document["model"]["family"] == "cox"
    assert document["model"]["records"] % 10 == document["model"]["events"] % 10 == 0


def test_coefficients_leave_on_their_own_scale(tmp_path: Path) -> None:
    found = fitted(tmp_path, with_covariate(people()), ask("ols", "income", robust=True))
    columns, document = contents(tmp_path, found)
    assert columns["coefficient"][1] == float(f"{found.estimate[1]:.3e}")
    assert document["model"]["standard_errors"] == "robust (HC1)"
    assert document["model"]["r_squared"] == float(f"{found.facts['r_squared']:.3e}")
    assert "events" not in document["model"]
