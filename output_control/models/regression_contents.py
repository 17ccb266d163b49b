"""A fitted regression as what leaves of it, its evidence, and what checkers see."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from output_control.dossier import Contents
from output_control.models.regression import NORMAL_975, FittedRegression
from output_control.models.regression_grounds import regression_grounds
from output_control.outputs import OutputColumn, json_bytes, status_columns
from output_control.policy import Policy
from output_control.statistics.rounding import at_scale, significant, to_base
from output_control.tables.table import FloatArray

_EFFECTS = {
    "coefficient": {"nl": "Coëfficiënt", "en": "Coefficient"},
    "odds_ratio": {"nl": "Odds ratio", "en": "Odds ratio"},
    "rate_ratio": {"nl": "Verhouding van aantallen", "en": "Rate ratio"},
    "mean_ratio": {"nl": "Verhouding van gemiddelden", "en": "Ratio of means"},
    "hazard_ratio": {"nl": "Hazard ratio", "en": "Hazard ratio"},
}


def regression_contents(fitted: FittedRegression, policy: Policy) -> Contents:
    """Coefficients or ratios with intervals as CSV; numbers of records, units, events and clusters rounded."""
    rules = policy.public.models
    digits, family = rules.coefficient_digits.value, fitted.family
    estimate, error = fitted.estimate, fitted.standard_error

    def rounded(name: str, titles: Mapping[str, str], values: FloatArray) -> OutputColumn:
        scales = np.zeros(len(values)) if family.ratio else error
        figures = pa.array(
            [significant(at_scale(v, e, digits), digits) for v, e in zip(values.tolist(), scales, strict=True)],
            pa.float64(),
        )
        return OutputColumn(name, "number", titles, figures)

    def shown(values: FloatArray) -> FloatArray:
        return np.exp(values) if family.ratio else values

    reach = NORMAL_975 * error
    of_log = {"nl": "Standaardfout van de log", "en": "Standard error of the log"}
    columns = [
        OutputColumn("term", "string", {"nl": "Kenmerk", "en": "Term"}, pa.array(fitted.design.terms)),
        OutputColumn("level", "string", {"nl": "Categorie", "en": "Level"}, pa.array(fitted.design.levels)),
        rounded(family.effect, _EFFECTS[family.effect], shown(estimate)),
        rounded("ci95_low", {"nl": "95%-interval, onder", "en": "95% low"}, shown(estimate - reach)),
        rounded("ci95_high", {"nl": "95%-interval, boven", "en": "95% high"}, shown(estimate + reach)),
        rounded("std_error", of_log if family.ratio else {"nl": "Standaardfout", "en": "Standard error"}, error),
        *status_columns(np.zeros(len(estimate), dtype=np.bool_)),
    ]
    frame, base = fitted.frame, rules.count_base.value
    sizes = {"records": to_base(frame.records, base), "units": to_base(frame.units, base)}
    if fitted.events is not None:
        sizes["events"] = to_base(fitted.events, base)
    if fitted.clusters:
        sizes["clusters"] = to_base(fitted.clusters, base)
    request = fitted.request
    kind = "cluster-robust" if request.cluster else "robust (HC1)" if request.robust else "maximum likelihood"
    document = {
        "model": {
            "family": request.family,
            "outcome": request.outcome,
            "standard_errors": kind,
            "references": {term.column: term.reference for term in request.terms if term.categorical},
            "rounded_to": base,
            **sizes,
            **{name: significant(value, digits) for name, value in fitted.facts.items()},
        },
        "checks": [
            "records unique, with unit, within the population",
            "residual degrees of freedom in units and clusters",
            "units per level and outcome",
            "no unit dominates the outcome of a level",
            "not saturated, not separated, converged: the score is zero",
            "no unit determines a coefficient or a combination of coefficients",
            "no residuals, fitted values or scores",
        ],
        "notes": [],
    }
    annex = {
        f"{request.name}.json": json_bytes(
            {
                "records": frame.records,
                "units": frame.units,
                "events": fitted.events,
                "clusters": fitted.clusters,
                "least_units_of_a_level": fitted.least_level_units,
                "largest_leverage_of_one_unit": significant(fitted.largest_leverage, 3),
                "largest_share_of_one_unit": {
                    " ".join(filter(None, name)): significant(float(share), 3)
                    for *name, share in zip(
                        fitted.design.terms, fitted.design.levels, fitted.largest_share, strict=True
                    )
                },
            }
        )
    }
    grounds = regression_grounds(fitted, policy)
    return Contents(request, columns, ["term", "level"], document, annex, levels=fitted.coded, grounds=grounds)
