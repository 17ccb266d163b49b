"""Clusters: how large they are and where their centres lie, never who belongs where.

Features are standardised before the search and centres are given on the features' own scale. However they were found,
each record is in one cluster, and what leaves is figures over the records of a cluster. Sources: k-means, Lloyd (1982),
doi:10.1109/TIT.1982.1056489, with k-means++ starts (Arthur & Vassilvitskii 2007); Ward (1963),
doi:10.1080/01621459.1963.10500845; mixtures by EM (Dempster, Laird & Rubin 1977).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from enclave.errors import Refused
from enclave.requests import ClustersRequest
from output_control.distributions.written import Grounded, contents, counts, figures, given, texts
from output_control.dossier import Contents
from output_control.models.level_checks import faults_of_rows, largest_of_records
from output_control.models.model_frame import ModelFrame, read_model_frame
from output_control.models.parts import Parts
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, held, hidden_figure
from output_control.statistics.group_means import group_mean, group_spread, why_no_mean, why_no_spread
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray

SEED = 20160101
STARTS = 10
MOST_AGGLOMERATED = 5_000  # Ward needs every pair of records


def clusters(request: ClustersRequest, sources: Sources, policy: Policy) -> Contents:
    """A row per cluster and feature; a centre that would tell of a few, or of one unit, is hidden.

    Raises:
        Refused: a feature without spread, a cluster with too few units or with nearly everyone.
    """
    frame = read_model_frame(request, sources)
    values = {name: frame.numbers(name) for name in request.features}
    if not all(column.std() > 0 for column in values.values()):
        raise Refused("a feature is the same for everyone")
    faults = _faults_of_method(request, values, frame)
    if faults:
        raise Refused("\n".join(faults), next_step="ask for k_means")
    member = _members(np.column_stack(list(values.values())), request)
    rows = [member == each for each in range(request.clusters)]
    faults = faults_of_rows(rows, frame, policy)
    if faults:
        raise Refused(faults[0], next_step="derive one record per unit")
    _refuse_sizes([frame.units_where(each) for each in rows], frame, policy)
    # by size, so that the number of a cluster says nothing of the search
    rows.sort(key=lambda each: (-int(each.sum()), *(float(column[each].mean()) for column in values.values())))
    found = [(at + 1, each, name) for at, each in enumerate(rows) for name in request.features]
    centres = [group_mean(values[name], each, frame, policy) for _, each, name in found]
    mixture = request.method == "gaussian_mixture"
    spreads = [group_spread(values[name], each, frame, policy) if mixture else 0.0 for _, each, name in found]
    hidden = np.array([None in each for each in zip(centres, spreads, strict=True)], dtype=np.bool_)
    # a row has one status: of a centre or a spread that may not leave, the other does not either
    centres, spreads = ([None if hide else value for value, hide in zip(each, hidden.tolist(), strict=True)]
                        for each in (centres, spreads))  # fmt: skip
    columns = [
        given("cluster", "Cluster", "Cluster", [float(number) for number, _, _ in found]),
        texts("feature", "Kenmerk", "Feature", [name for _, _, name in found]),
        figures("centre", "Middelpunt", "Centre", centres, policy),
        *([figures("spread", "Standaardafwijking", "Standard deviation", spreads, policy)] if mixture else []),
        counts("records", "Records", "Records", [int(each.sum()) for _, each, _ in found], policy),
        counts("units", "Eenheden", "Units", [frame.units_where(each) for _, each, _ in found], policy),
    ]
    annex = {"units_of_clusters": [frame.units_where(each) for each in rows]}
    checks = ["units per cluster", "units with and without each 0/1 feature", "no unit dominates a centre", "no scores"]
    checks += ["few units do not hold a spread"] if mixture else []
    return contents(
        request,
        frame,
        policy,
        columns,
        key=["cluster", "feature"],
        checks=checks,
        facts={"method": request.method},
        annex=annex,
        hidden=hidden,
        parts=Parts.of("cluster", member),
        grounds=_grounds(rows, values, frame, policy, mixture=mixture),
    )


def _grounds(
    rows: Sequence[BoolArray], values: Mapping[str, FloatArray], frame: ModelFrame, policy: Policy, *, mixture: bool
) -> Grounded:
    whys = [
        hidden_figure(f"{at} {name}", why)
        for at, each in enumerate(rows, start=1)
        for name, column in values.items()
        if (why := why_no_mean(column, each, frame, policy))
        or (why := why_no_spread(column, each, frame, policy) if mixture else "")
    ]
    units = [frame.units_where(each) for each in rows]
    checks = [
        held(policy, "cluster_units", "distributions.cluster_units", min(units)),
        held(policy, "class_share", "tables.group_share", max(units) / frame.units),
        held(policy, "record_dominance", DOMINANCE, largest_of_records(rows, frame)),
        held(policy, "flag_units", "tables.minimum_frequency", unmet=sum(each.reason == "flag_units" for each in whys)),
        held(policy, "centres", DOMINANCE, unmet=sum(each.reason != "flag_units" for each in whys)),
        held(policy, "digits", "distributions.value_digits"),
    ]
    sizes = tuple((at, int(each.sum()), number) for at, (each, number) in enumerate(zip(rows, units, strict=True), 1))
    return Grounded(checks, (Basis("clusters", ("cluster", "records", "units"), sizes),), tuple(whys))


def _faults_of_method(request: ClustersRequest, values: dict[str, FloatArray], frame: ModelFrame) -> list[str]:
    if request.method == "agglomerative" and frame.records > MOST_AGGLOMERATED:
        return [f"agglomerative clusters are for up to {MOST_AGGLOMERATED} records"]
    flags = [name for name, column in values.items() if len(np.unique(column)) <= 2]
    if request.method == "gaussian_mixture" and flags:
        return [f"feature {name} has two values only, of which no Gaussian is a model" for name in flags]
    return []


def _members(matrix: FloatArray, request: ClustersRequest) -> IntArray:
    from sklearn.cluster import AgglomerativeClustering, KMeans
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    number = request.clusters
    with threadpool_limits(limits=1):  # so that sums have one order
        if request.method == "agglomerative":
            found = AgglomerativeClustering(number, linkage="ward").fit_predict(standard)
        elif request.method == "gaussian_mixture":
            mixture = GaussianMixture(number, covariance_type="diag", max_iter=1000, random_state=SEED).fit(standard)
            if not mixture.converged_:
                raise Refused("the mixture did not converge", next_step="ask for fewer clusters, or for k_means")
            found = mixture.predict(standard)
        else:
            found = KMeans(number, n_init=STARTS, random_state=SEED).fit_predict(standard)
    return np.asarray(found, dtype=np.int64)


def _refuse_sizes(units: list[int], frame: ModelFrame, policy: Policy) -> None:
    need, share = policy.public.distributions.cluster_units.value, policy.public.tables.group_share.value
    if min(units) < need:
        raise Refused(f"a cluster has fewer than {need} units", next_step="ask for fewer clusters")
    if max(units) > share * frame.units:
        raise Refused("one cluster holds nearly all units", next_step="ask for other features")
