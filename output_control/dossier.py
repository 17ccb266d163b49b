"""The files of one checked request: what leaves, the evidence for it, and the annex for checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from enclave.requests import OutputRequest
from output_control.outputs import (
    OutputColumn,
    annex_columns,
    csv_bytes,
    csvw_bytes,
    json_bytes,
    status_columns,
    table_columns,
)
from output_control.policy import ModelRules
from output_control.regression import NORMAL_975, FittedRegression
from output_control.rounding import significant, to_base
from output_control.table import FloatArray
from output_control.table_check import ProtectedTable
from output_control.tree import GrownTree

LEAF_NOTE = "the leaf counts are rounded; compare them with other tables of this population before approving"


@dataclass(frozen=True, slots=True)
class Dossier:
    """Files by path: ``outputs`` and ``evidence`` may leave, ``annex`` never does; ``advice`` is for the researcher."""

    outputs: Mapping[str, bytes]
    evidence: Mapping[str, bytes]
    annex: Mapping[str, bytes]
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What one request gave, before it becomes files; ``document`` is the evidence that may leave."""

    request: OutputRequest
    columns: Sequence[OutputColumn]
    key: Sequence[str]
    document: Mapping[str, object]
    annex: Mapping[str, bytes]
    advice: tuple[str, ...] = ()


def table_contents(protected: ProtectedTable) -> Contents:
    """The table as CSV, counts of its cells as evidence, and per cell what the gate saw as annex."""
    evidence, pattern = protected.evidence, protected.pattern
    request = evidence.request
    columns = table_columns(evidence, pattern.suppressed)
    cells, hidden = len(columns[0].values), int(pattern.suppressed.sum())
    document = {
        "cells": {
            "all": cells,
            "published": cells - hidden,
            "published_zero": cells - len(evidence.table),
            "suppressed": hidden,
        },
        "dimensions": {shown.column: list(shown.levels) for shown in evidence.shown},
        "checks": [
            "records unique, with unit, within the population",
            "codes from the classifications, no area finer than the policy allows",
            "minimum frequency on distinct units",
            "dominance",
            "group disclosure",
            "secondary suppression over all hierarchies",
        ],
        "audit": {"passed": True, "attacker": "full equations of all hierarchies, figures of 0 or more"},
        "notes": [],
    }
    key = [shown.column for shown in evidence.shown]
    return Contents(request, columns, key, document, _table_annex(protected), protected.advice)


def _table_annex(protected: ProtectedTable) -> dict[str, bytes]:
    table, sensitive, pattern = protected.evidence.table, protected.primary, protected.pattern
    status = np.where(sensitive.mask, "primary", np.where(pattern.suppressed, "secondary", "published"))
    lower, upper = np.full(len(table), np.nan), np.full(len(table), np.nan)
    cells = np.flatnonzero(sensitive.mask)
    lower[cells], upper[cells] = protected.report.lower, protected.report.upper
    upper[np.isinf(upper)] = np.nan
    columns = annex_columns(protected.evidence, status.tolist(), sensitive.reason.tolist(), lower, upper)
    report = protected.report
    summary = {
        "cells": len(table),
        "primary": int(sensitive.mask.sum()),
        "secondary": int(pattern.secondary.sum()),
        "suppressed_value": float(table.value[pattern.suppressed].sum()),
        "method": pattern.method,
        "audit": {
            "primaries": report.primaries,
            "checked": report.checked,
            "exact": report.exact,
            "below_level": report.below_level,
            "singleton_exact": report.singleton_exact,
            "intervals": "exact" if report.intervals_exact else "at least this wide",
        },
        "advice": list(protected.advice),
    }
    name = protected.evidence.request.name
    return {f"{name}.cells.csv": csv_bytes(columns), f"{name}.json": json_bytes(summary)}


def regression_contents(fitted: FittedRegression, rules: ModelRules) -> Contents:
    """Odds ratios with intervals as CSV; numbers of records, units, events and clusters rounded."""
    digits = rules.coefficient_digits.value
    estimate, error = fitted.estimate, fitted.standard_error

    def rounded(values: FloatArray) -> pa.Array:
        return pa.array([significant(float(value), digits) for value in values], pa.float64())

    reach = NORMAL_975 * error
    columns = [
        OutputColumn("term", "string", {"nl": "Kenmerk", "en": "Term"}, pa.array(fitted.design.terms)),
        OutputColumn("level", "string", {"nl": "Categorie", "en": "Level"}, pa.array(fitted.design.levels)),
        OutputColumn("odds_ratio", "number", {"nl": "Odds ratio", "en": "Odds ratio"}, rounded(np.exp(estimate))),
        OutputColumn(
            "ci95_low", "number", {"nl": "95%-interval, onder", "en": "95% low"}, rounded(np.exp(estimate - reach))
        ),
        OutputColumn(
            "ci95_high", "number", {"nl": "95%-interval, boven", "en": "95% high"}, rounded(np.exp(estimate + reach))
        ),
        OutputColumn(
            "std_error",
            "number",
            {"nl": "Standaardfout van de log-odds", "en": "Standard error of the log odds"},
            rounded(error),
        ),
        *status_columns(np.zeros(len(estimate), dtype=np.bool_)),
    ]
    frame, base = fitted.frame, rules.count_base.value
    sizes = _sizes(frame.records, frame.units, int(frame.outcome.sum()), base)
    if frame.cluster is not None:
        sizes["clusters"] = to_base(frame.clusters, base)
    references = {term.column: term.reference for term in fitted.request.terms if term.categorical}
    document = {
        "model": {
            "outcome": fitted.request.outcome,
            "standard_errors": "cluster-robust" if frame.cluster is not None else "maximum likelihood",
            "references": references,
            "rounded_to": base,
            **sizes,
        },
        "checks": [
            "records unique, with unit, within the population",
            "residual degrees of freedom in units and clusters",
            "units per level and outcome",
            "not saturated, not separated, converged",
            "no unit determines a coefficient",
            "no residuals, fitted values or scores",
        ],
        "notes": [],
    }
    annex = {
        f"{fitted.request.name}.json": json_bytes(
            {
                "records": frame.records,
                "units": frame.units,
                "events": int(frame.outcome.sum()),
                "clusters": frame.clusters,
                "least_units_of_a_level": fitted.least_level_units,
                "largest_share_of_one_unit": {
                    " ".join(filter(None, name)): significant(float(share), 3)
                    for *name, share in zip(
                        fitted.design.terms, fitted.design.levels, fitted.largest_share, strict=True
                    )
                },
            }
        )
    }
    return Contents(fitted.request, columns, ["term", "level"], document, annex)


def tree_contents(grown: GrownTree, rules: ModelRules) -> Contents:
    """The leaves as CSV: conditions and rounded counts; the share is of the rounded counts."""
    base = rules.count_base.value
    counts = [_sizes(leaf.records, leaf.units, leaf.events, base) for leaf in grown.leaves]

    def column(name: str, dutch: str, english: str) -> OutputColumn:
        values = pa.array([count[name] for count in counts], pa.int64())
        return OutputColumn(name, "integer", {"nl": dutch, "en": english}, values, f"rounded to multiples of {base}")

    shares = [significant(count["events"] / count["records"], 3) for count in counts]
    columns = [
        OutputColumn("leaf", "integer", {"nl": "Blad", "en": "Leaf"}, pa.array(range(1, len(counts) + 1), pa.int64())),
        OutputColumn(
            "conditions",
            "string",
            {"nl": "Voorwaarden", "en": "Conditions"},
            pa.array([" and ".join(leaf.conditions) for leaf in grown.leaves]),
        ),
        column("records", "Records", "Records"),
        column("units", "Eenheden", "Units"),
        column("events", "Met de uitkomst", "With the outcome"),
        OutputColumn("share", "number", {"nl": "Aandeel", "en": "Share"}, pa.array(shares, pa.float64())),
        *status_columns(np.zeros(len(counts), dtype=np.bool_)),
    ]
    document = {
        "model": {"outcome": grown.request.outcome, "leaves": len(counts), "rounded_to": base},
        "checks": [
            "records unique, with unit, within the population",
            "units per leaf",
            "units with and without the outcome per leaf",
            "dominance and group disclosure per leaf",
            "rounded thresholds; no scores",
        ],
        "notes": [LEAF_NOTE],
    }
    annex = {
        f"{grown.request.name}.json": json_bytes(
            {
                "splits_taken_back": grown.taken_back,
                "leaves": [
                    {
                        "conditions": list(leaf.conditions),
                        "records": leaf.records,
                        "units": leaf.units,
                        "events": leaf.events,
                    }
                    for leaf in grown.leaves
                ],
            }
        )
    }
    return Contents(grown.request, columns, ["leaf"], document, annex)


def _sizes(records: int, units: int, events: int, base: int) -> dict[str, int]:
    return {"records": to_base(records, base), "units": to_base(units, base), "events": to_base(events, base)}


def dossier(analysis: str, version: int, contents: Contents) -> Dossier:
    """The files, by their path in a bundle (the annex: by its path in the review folder)."""
    request = contents.request
    folder, name = f"outputs/{analysis}", request.name
    common = {
        "analysis": analysis,
        "version": version,
        "request": name,
        "kind": request.kind,
        "title": request.title,
        "derivation": request.derivation,
        "population": request.population.model_dump(mode="json"),
        "record": [request.record, *([request.period] if request.period else [])],
        "protected_unit": request.unit,
    }
    description = f"Analysis {analysis} version {version}; protected unit {request.unit}; population " + (
        request.population.dataset
    )
    return Dossier(
        outputs={
            f"{folder}/{name}.csv": csv_bytes(contents.columns),
            f"{folder}/{name}.csv-metadata.json": csvw_bytes(
                f"{name}.csv", request.title, description, contents.columns, contents.key
            ),
        },
        evidence={f"evidence/{analysis}/{name}.json": json_bytes({**common, **contents.document})},
        annex={f"annex/{analysis}/{file}": content for file, content in contents.annex.items()},
        advice=contents.advice,
    )
