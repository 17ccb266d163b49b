"""What is wrong with the statistic that a table asks for, before any data is read, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping

from enclave.classifications import Classification
from enclave.requests import Rate, TableRequest

OF_A_MEASURE = ("sum", "mean", "median", "percentile")
STANDARDISED = frozenset({"ratio", "ratio_funnel", "direct"})
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
    if bool(STANDARDISED & set(rate.figures)) != bool(strata):
        faults.append(
            "a ratio of observed by expected and a direct standardisation say by which dimensions, and nothing else"
        )
    if len(columns) - 1 - len(strata) < 1:
        faults.append("a rate needs a dimension besides its own and those that it is standardised by")
    if listed is not None:
        faults += _faults_of_against(rate, listed)
    return faults + _faults_of_standard(rate, {each: classifications.get(columns.get(each, "")) for each in strata})


def _faults_of_against(rate: Rate, listed: Classification) -> list[str]:
    if ("category_ratio" in rate.figures) != (rate.against is not None):
        return ["a ratio of two categories says against which one, and nothing else does"]
    if rate.against is None:
        return []
    parent = {code.code: code.parent for code in listed.codes}
    if rate.against not in parent or _line(rate.category, parent) & _line(rate.against, parent) & {
        rate.category,
        rate.against,
    }:
        return [f"the other category of the ratio is none of {listed.name} beside the first; a part of it is a rate"]
    return []


def _line(code: str, parent: Mapping[str, str]) -> set[str]:
    """The code and every one above it."""
    found = set()
    while code:
        found.add(code)
        code = parent.get(code, "")
    return found


def _faults_of_standard(rate: Rate, strata: Mapping[str, Classification | None]) -> list[str]:
    if rate.standard == "table":
        return []
    if "direct" not in rate.figures:
        return ["a standard population is for a direct standardisation, and nothing else"]
    if len(strata) > 1:
        return ["a listed standard population is by one dimension: standardise by one, or by that of the table"]
    return [
        f"{listed.name} lists no standard population; standardise by that of the table, or ask the office for one"
        for listed in strata.values()
        if listed is not None and not listed.standard
    ]
