"""What is wrong with the statistic that a table asks for, before any data is read, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping

from enclave.classifications import Classification
from enclave.requests import TableRequest

OF_A_MEASURE = ("sum", "mean", "median", "percentile")
ONE_RECORD_S_OWN = ("minimum", "maximum", "mode")


def faults_of_statistic(request: TableRequest, classifications: Mapping[str, Classification]) -> list[str]:
    """Statistics that are refused, and fields that do not go together."""
    statistic = request.statistic
    if statistic in ONE_RECORD_S_OWN:
        instead = "a rate per category" if statistic == "mode" else "the percentile 5 or 95"
        return [f"a {statistic} is the value of one record and is refused; ask for {instead}"]
    faults = []
    if statistic in OF_A_MEASURE and request.measure is None:
        faults.append(f"a {statistic} needs a measure")
    if statistic not in OF_A_MEASURE and request.measure is not None:
        faults.append(f"a {statistic} has no measure; a sum or a mean has")
    if (statistic == "percentile") != (request.percentile is not None):
        faults.append("a percentile says which one (1 to 99), and nothing else does")
    keys = {request.record, request.unit, request.period, *request.also_units}
    faults += [
        f"{name} is a key, and a figure of keys says nothing"
        for name in (request.measure, request.weight)
        if name is not None and name in keys
    ]
    if request.weight is not None and statistic not in {"count", "sum", "mean"}:
        faults.append(f"a {statistic} with sampling weights needs a person: ask the output checkers")
    if request.weight is not None and request.weight == request.measure:
        faults.append("the weight is the measure itself")
    if len({request.unit, *request.also_units}) <= len(request.also_units):
        faults.append("a kind of unit is named twice")
    return faults + _faults_of_rate(request, classifications)


def _faults_of_rate(request: TableRequest, classifications: Mapping[str, Classification]) -> list[str]:
    rate = request.rate
    if (request.statistic == "rate") != (rate is not None):
        return ["a rate says of which category, and nothing else does"]
    if rate is None:
        return []
    columns = {dimension.column: dimension.classification for dimension in request.dimensions}
    if rate.column not in columns:
        return [f"the rate is of column {rate.column}, which is no dimension of the table"]
    faults = []
    listed = classifications.get(columns[rate.column])
    if listed is not None and rate.category not in {code.code for code in listed.codes[1:]}:
        faults.append(f"the category of the rate is none of {listed.name} below its total")
    strata = set(rate.standardise)
    if len(strata) < len(rate.standardise) or not strata <= columns.keys() - {rate.column}:
        faults.append("the rate is standardised by dimensions of the table other than its own, each once")
    if ("ratio" in rate.figures) != bool(strata):
        faults.append(
            "a ratio of observed by expected says by which dimensions it is standardised, and nothing else does"
        )
    if len(columns) - 1 - len(strata) < 1:
        faults.append("a rate needs a dimension besides its own and those that it is standardised by")
    return faults
