"""k-means clusters: how large they are and where their centres lie, never who belongs where.

Features are standardised before the search and centres are given on the features' own scale. Source: Lloyd (1982),
doi:10.1109/TIT.1982.1056489, with k-means++ starts (Arthur & Vassilvitskii 2007).
"""

from __future__ import annotations

import numpy as np

from enclave.errors import Refused
from enclave.requests import ClustersRequest
from output_control.derived import Sources
from output_control.distributions.written import contents, counts, figures, given, texts
from output_control.dossier import Contents
from output_control.level_checks import dominated, faults_of_rows
from output_control.model_frame import ModelFrame, read_model_frame, sums_by_unit
from output_control.policy import Policy
from output_control.rounding import at_scale, to_base
from output_control.table import BoolArray, FloatArray, IntArray

SEED = 20160101
STARTS = 10


def clusters(request: ClustersRequest, sources: Sources, policy: Policy) -> Contents:
    """A row per cluster and feature; a centre that would tell of a few, or of one unit, is hidden.

    Raises:
        Refused: a feature without spread, a cluster with too few units or with nearly everyone.
    """
    frame = read_model_frame(request, sources)
    values = {name: frame.numbers(name) for name in request.features}
    flat = [name for name, column in values.items() if not column.std() > 0]
    if flat:
        raise Refused(f"{len(flat)} feature(s) are the same for everyone")
    member = _members(np.column_stack(list(values.values())), request.clusters)
    rows = [member == each for each in range(request.clusters)]
    faults = faults_of_rows(rows, frame, policy)
    if faults:
        raise Refused(faults[0], next_step="derive one record per unit")
    _refuse_sizes([frame.units_where(each) for each in rows], frame, policy)
    # by size, so that the number of a cluster says nothing of the search
    rows.sort(key=lambda each: (-int(each.sum()), *(float(column[each].mean()) for column in values.values())))
    found = [(at + 1, each, name) for at, each in enumerate(rows) for name in request.features]
    centres = [centre(values[name], each, frame, policy) for _, each, name in found]
    hidden = np.array([value is None for value in centres], dtype=np.bool_)
    columns = [
        given("cluster", "Cluster", "Cluster", [float(number) for number, _, _ in found]),
        texts("feature", "Kenmerk", "Feature", [name for _, _, name in found]),
        figures("centre", "Middelpunt", "Centre", centres, policy),
        counts("records", "Records", "Records", [int(each.sum()) for _, each, _ in found], policy),
        counts("units", "Eenheden", "Units", [frame.units_where(each) for _, each, _ in found], policy),
    ]
    annex = {"units_of_clusters": [frame.units_where(each) for each in rows]}
    checks = ["units per cluster", "units with and without each 0/1 feature", "no unit dominates a centre", "no scores"]
    return contents(
        request, frame, policy, columns, key=["cluster", "feature"], checks=checks, annex=annex, hidden=hidden
    )


def centre(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> float | None:
    """The mean of a feature in a cluster; of a 0/1 feature the share by rounded counts; None where it may not leave."""
    n, base = policy.public.tables.minimum_frequency.value, policy.public.models.count_base.value
    inside = values[rows]
    if set(np.unique(values).tolist()) <= {0.0, 1.0}:
        sides = [frame.units_where(rows & (values == side)) for side in (0.0, 1.0)]
        if any(0 < units < n for units in sides):
            return None
        return min(to_base(int(inside.sum()), base) / to_base(len(inside), base), 1.0)
    contributions = sums_by_unit(frame, rows, np.abs(values))
    if dominated([contributions], policy)[0] or frame.units_where(rows & (values != 0)) < n:
        return None
    # a mean near nothing has no more decimals than the spread of what it is of: it could be one record's
    return at_scale(float(inside.mean()), float(values.std()), policy.public.distributions.value_digits.value)


def _members(matrix: FloatArray, number: int) -> IntArray:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    with threadpool_limits(limits=1):  # so that sums have one order
        return np.asarray(KMeans(number, n_init=STARTS, random_state=SEED).fit_predict(standard), dtype=np.int64)


def _refuse_sizes(units: list[int], frame: ModelFrame, policy: Policy) -> None:
    need, share = policy.public.distributions.cluster_units.value, policy.public.tables.group_share.value
    small = sum(each < need for each in units)
    if small:
        raise Refused(f"{small} cluster(s) have fewer than {need} units", next_step="ask for fewer clusters")
    if max(units) > share * frame.units:
        raise Refused("one cluster holds nearly all units", next_step="ask for other features")
