"""Clusters, correlations and networks: the figures by other means, and what is hidden since few units make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from enclave.requests import (
    ClustersRequest,
    CorrelationRequest,
    NetworkRequest,
)
from tests.output_control.distribution_requests import (
    EXACT,
    ONE_OF_EACH,
    asked,
    columns,
    homes,
    judge,
    mixed,
    refused,
    ties,
)

# clusters -------------------------------------------------------------------------------------------------------------


def test_planted_clusters_are_found_with_their_sizes_and_centres(tmp_path: Path) -> None:
    data = mixed()
    found = pd.DataFrame(columns(judge(tmp_path, data, ONE_OF_EACH["clusters"], **EXACT)))
    planted = data.to_pandas().assign(blob=lambda frame: (frame["u"] / 10).round())
    expected = planted.groupby("blob")[["u", "v"]].agg(["mean", "size"])
    for _, rows in found.groupby("cluster"):
        centre = dict(zip(rows["feature"], rows["centre"], strict=True))
        blob = round(centre["u"] / 10)
        assert rows["records"].iloc[0] == expected.loc[blob, ("u", "size")]
        assert centre["u"] == pytest.approx(expected.loc[blob, ("u", "mean")], rel=0.006, abs=0.006)


def test_a_cluster_of_forty_nine_is_refused(tmp_path: Path) -> None:
    u = np.r_[np.zeros(200), np.full(49, 100.0)] + np.random.default_rng(1).normal(size=249)
    request = asked(ClustersRequest, features=("u",), clusters=2)
    assert "a cluster has fewer than 50 units" in refused(tmp_path, homes(249, u=u), request)


def test_a_centre_that_few_units_make_is_hidden(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    u = np.r_[np.zeros(200), np.full(200, 100.0)] + rng.normal(size=400)
    rare = (np.arange(400) < 9).astype(np.int64)
    rich = np.r_[1e9, rng.uniform(1, 2, 399)]
    found = pd.DataFrame(
        columns(
            judge(
                tmp_path,
                homes(400, u=u * 1e3, rare=rare, rich=rich, u2=u),
                asked(ClustersRequest, features=("u", "u2", "rare", "rich"), clusters=2),
                cluster_units=30,
                group_share=0.999,
            )
        )
    )
    by = found.set_index(["feature", "cluster"])["centre"]
    assert by["rare"].isna().sum() == 1
    assert by["rich"].isna().sum() == 1
    assert not by["u"].isna().any()


@pytest.mark.parametrize("method", ["agglomerative", "gaussian_mixture"])
def test_planted_clusters_are_found_by_every_method(tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(5)
    blob = np.repeat([0, 1, 2], [100, 150, 200])
    data = homes(450, u=blob * 100 + rng.normal(0, 2, 450), v=blob * -50 + rng.normal(0, 1, 450))
    found = pd.DataFrame(
        columns(judge(tmp_path, data, asked(ClustersRequest, features=("u", "v"), clusters=3, method=method), **EXACT))
    )
    by = data.to_pandas().assign(blob=blob).groupby("blob")["u"]
    expected = sorted(zip(by.size(), by.mean(), by.std(ddof=0), strict=True), reverse=True)
    rows = found[found["feature"] == "u"].sort_values("cluster")
    assert rows["records"].tolist() == [size for size, _, _ in expected] == [200, 150, 100]
    assert rows["centre"].tolist() == pytest.approx([mean for _, mean, _ in expected], rel=0.006, abs=0.06)
    assert ("spread" in found) == (method == "gaussian_mixture")
    if method == "gaussian_mixture":
        assert rows["spread"].tolist() == pytest.approx([spread for _, _, spread in expected], rel=0.006)


@pytest.mark.parametrize("planted", ["one far out", "nine far out", "nearly all alike"])
def test_a_spread_that_few_units_make_or_that_is_nearly_none_is_hidden_with_its_centre(
    tmp_path: Path, planted: str
) -> None:
    rng = np.random.default_rng(5)
    u = np.repeat([0.0, 1000.0], 200) + rng.normal(0, 1, 400)
    v = rng.normal(0, 1, 400)
    v[:200] += 50
    if planted == "nearly all alike":
        v[10:200] = 50.0
    else:
        far = 1 if planted == "one far out" else 9
        v[:far] += np.linspace(60, 80, far)
    request = asked(ClustersRequest, features=("u", "u2", "v"), clusters=2, method="gaussian_mixture")
    data = homes(400, u=u, u2=u + rng.normal(0, 1, 400), v=v)
    monkeyed = pd.DataFrame(columns(judge(tmp_path, data, request, cluster_units=50)))
    hidden = monkeyed[monkeyed["spread"].isna()]
    assert set(hidden["feature"]) == {"v"} and len(hidden) == 1
    assert hidden["centre"].isna().all() and (hidden["OBS_STATUS"] == "Q").all()


def test_a_mixture_of_flags_and_ward_of_many_records_are_refused_with_what_to_ask_for(tmp_path: Path) -> None:
    flags = homes(300, u=np.arange(300.0), y=np.arange(300) % 2)
    mixture = asked(ClustersRequest, features=("u", "y"), clusters=2, method="gaussian_mixture")
    assert "feature y has two values only" in refused(tmp_path / "a", flags, mixture)
    many = homes(5001, u=np.arange(5001.0))
    ward = asked(ClustersRequest, features=("u",), clusters=2, method="agglomerative")
    assert "up to 5000 records" in refused(tmp_path / "b", many, ward)


# correlations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlations_are_those_of_scipy_over_records_that_have_both(tmp_path: Path, method: str) -> None:
    data = mixed()
    u = data.column("u").to_pylist()
    u[:40] = [None] * 40
    holes = data.set_column(data.column_names.index("u"), "u", pa.array(u))
    request = asked(CorrelationRequest, features=("u", "v", "flag"), method=method)
    found = columns(judge(tmp_path, holes, request))
    frame = holes.to_pandas()
    for a, b, r in zip(found["row"], found["column"], found["correlation"], strict=True):
        both = frame[[a, b]].dropna()
        of = stats.pearsonr if method == "pearson" else stats.spearmanr
        assert r == round(float(of(both[a], both[b])[0]), 3)


def hidden(tmp_path: Path, data: pa.Table, **fields: Any) -> dict[tuple[str, str], bool]:
    names = [name for name in data.column_names if name not in {"home", "owner"}]
    found = columns(judge(tmp_path, data, asked(CorrelationRequest, features=tuple(names), **fields)))
    return {(a, b): r is None for a, b, r in zip(found["row"], found["column"], found["correlation"], strict=True)}


def test_pairs_that_tell_of_a_few_are_hidden_and_the_others_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    data = homes(
        400,
        a=rng.normal(size=400),
        b=rng.normal(size=400),
        me=(np.arange(400) == 7).astype(np.int64),  # one person's dummy
        yes=np.tile([0, 1], 200),
        nearly=np.r_[np.tile([0, 1], 200)[:-9], 1 - np.tile([0, 1], 200)[-9:]],  # 9 in the off-diagonal cells
        rich=np.r_[1e9, rng.normal(size=399)],
        gone=pa.array([None] * 391 + list(rng.normal(size=9))),
        short=pa.array([None] * 5 + list(rng.normal(size=395))),
    )
    found = hidden(tmp_path, data)
    for name in ("me", "rich", "gone", "short"):
        assert all(is_hidden for pair, is_hidden in found.items() if name in pair), name
    assert found["yes", "nearly"]
    assert not found["a", "b"]
    assert not found["a", "yes"]


def test_a_column_and_its_double_are_not_correlated_in_public(tmp_path: Path) -> None:
    a = np.random.default_rng(1).normal(size=200)
    data = homes(200, a=a, b=2 * a + 1, c=np.random.default_rng(2).normal(size=200))
    found = hidden(tmp_path, data)
    assert found == {("a", "b"): True, ("a", "c"): False, ("b", "c"): False}


def test_when_no_pair_is_left_the_reasons_are_named(tmp_path: Path) -> None:
    data = homes(200, a=np.arange(200.0), b=np.arange(200.0) * 3)
    assert "one column as good as is the other" in refused(
        tmp_path, data, asked(CorrelationRequest, features=("a", "b"))
    )


# networks -------------------------------------------------------------------------------------------------------------


def test_members_are_counted_by_class_of_degree(tmp_path: Path) -> None:
    data = ties()
    request = ONE_OF_EACH["network"].model_copy(update={"derivation": "homes"})
    found = pd.DataFrame(columns(judge(tmp_path, data, request, **EXACT)))
    degree = data.to_pandas().groupby("home").size()
    for row in found.itertuples():
        upto = np.inf if row.ties_to is None or np.isnan(row.ties_to) else row.ties_to
        assert row.members == int(((degree >= row.ties_from) & (degree <= upto)).sum()) >= 10
    assert np.isnan(found["ties_to"].iloc[-1])


def test_a_hub_is_in_a_class_with_others(tmp_path: Path) -> None:
    star = [(i, 1000 + j) for i in range(100) for j in range(1 + i % 3)] + [(100, 2000 + j) for j in range(500)]
    data = pa.table(
        {
            "home": pa.array([a for a, _ in star]),
            "owner": pa.array([a for a, _ in star]),
            "other": pa.array([b for _, b in star]),
        }
    )
    found = columns(judge(tmp_path, data, asked(NetworkRequest, period="other"), **EXACT))
    assert found["ties_from"] == [1.0, 2.0]
    assert found["members"] == [34, 67]
