"""Location quotients, ratios of categories, direct standardisation and funnels through the gate, against arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from enclave.classifications import Classification
from enclave.errors import Refused
from enclave.requests import Figure, Rate, TableRequest, parse_requests
from output_control import table_check
from output_control.drawing.figure import BOTTOM, TOP
from output_control.policy import TableRules
from output_control.statistics import rates
from output_control.statistics.rate_audit import unsupported
from output_control.statistics.rates import RateTable
from output_control.tables.evidence import Evidence, faults_of_table
from output_control.tables.table import BoolArray, FloatArray
from tests.output_control.gate_world import CLASSIFICATIONS, World, policy_in, table_request
from tests.output_control.statistic_rows import LARGE, SAFE, SMALL, flagged, rate_request, released

PLAIN = CLASSIFICATIONS["flag"].model_copy(update={"sensitive": False, "neutral": ()})
LISTED = Classification.model_validate(PLAIN.model_dump() | {"standard": {"yes": 3000.0, "no": 1000.0}})
# (how many, region, kind, flag): of k1 30 of 80 yes and 20 of 100 no in G1, 60 of 100 yes and 40 of 60 no in G2
STRATA = [
    (30, "G1a1", "k1", "yes"), (50, "G1a1", "k2", "yes"), (20, "G1a1", "k1", "no"), (80, "G1a1", "k2", "no"),
    (60, "G2a1", "k1", "yes"), (40, "G2a1", "k2", "yes"), (40, "G2a1", "k1", "no"), (20, "G2a1", "k2", "no"),
]  # fmt: skip
LIMITS = {"limit95_low": 0.025, "limit95_high": 0.975, "limit998_low": 0.001, "limit998_high": 0.999}
FIGURES = ("quotient", "category_ratio", "funnel")


def homes(*groups: tuple[int, str, str, str]) -> pa.Table:
    data = flagged(*[(count, region, kind) for count, region, kind, _ in groups])
    return data.append_column("flag", pa.array([flag for count, _, _, flag in groups for _ in range(count)]))


def world(folder: Path, data: pa.Table, flag: Classification = PLAIN) -> World:
    return World(folder, classifications={**CLASSIFICATIONS, "flag": flag}).add("homes", data)


def by_strata(*figures: str, **fields: Any) -> TableRequest:
    rate = Rate.model_validate(
        {"column": "kind", "category": "k1", "figures": figures, "standardise": ("flag",), **fields}
    )
    return table_request("region", "kind", "flag", statistic="rate", rate=rate, levels={"region": ("GM",)})


def by_category(*figures: str, **fields: Any) -> TableRequest:
    return rate_request(Rate.model_validate({"column": "kind", "category": "k1", "figures": figures, **fields}))


def interpolated(p: float, mass: Callable[[int], float]) -> float:
    """Where the sum of ``mass`` over 0, 1, 2 …, straight between whole numbers, reaches ``p``; not below 0."""
    r, reached = 0, mass(0)
    while reached <= p:
        r += 1
        reached += mass(r)
    return max(r - (reached - p) / mass(r), 0.0)


def binomial(n: int, share: float) -> Callable[[int], float]:
    return lambda r: math.comb(n, r) * share**r * (1 - share) ** (n - r)


def poisson(mean: float) -> Callable[[int], float]:
    return lambda r: math.exp(r * math.log(mean) - mean - math.lgamma(r + 1))


# what is published ---------------------------------------------------------------------------------------------------


def test_a_location_quotient_is_the_rate_by_that_of_the_whole(tmp_path: Path) -> None:
    # k1: 60 of 300, 50 of 200 and 40 of 100, so 150 of 600 in all
    rows = released(world(tmp_path, flagged(*LARGE, *SAFE)), by_category("quotient"))
    assert {code: rows[code,]["quotient"] for code in ("NL", "G1a1", "G2a1", "G1b1")} == {
        "NL": "1", "G1a1": "0.8", "G2a1": "1", "G1b1": "1.6"
    }  # fmt: skip


def test_a_ratio_of_two_categories_is_of_their_counts(tmp_path: Path) -> None:
    rows = released(world(tmp_path, flagged(*LARGE, *SAFE)), by_category("category_ratio", against="k2"))
    assert (rows["G1a1",]["category_ratio"], rows["NL",]["category_ratio"]) == ("0.429", "0.517")  # 60/140, 150/290


def test_a_funnel_has_exact_limits_around_the_rate_of_the_whole(tmp_path: Path) -> None:
    rows = released(world(tmp_path, flagged(*LARGE, *SAFE)), by_category("funnel"))
    for code, n in (("G1a1", 300), ("G2a1", 200), ("G1b1", 100)):
        assert rows[code,]["target"] == "0.25"
        for name, p in LIMITS.items():
            assert float(rows[code,][name]) == float(f"{interpolated(p, binomial(n, 0.25)) / n:.2e}")
    assert rows["NL",]["target"] == "0.25"
    assert [rows["NL",][name] for name in LIMITS] == [""] * 4


def test_a_funnel_of_ratios_has_exact_limits_around_one(tmp_path: Path) -> None:
    rows = released(world(tmp_path, homes(*STRATA)), by_strata("ratio_funnel"))
    # all: 90 of 180 yes and 60 of 160 no
    for code, expected, observed in (("G1", 80 * 0.5 + 100 * 0.375, 50), ("G2", 100 * 0.5 + 60 * 0.375, 100)):
        assert float(rows[code,]["expected"]) == expected
        assert float(rows[code,]["ratio"]) == float(f"{observed / expected:.2e}")
        for name, p in LIMITS.items():
            limit = interpolated(p, poisson(expected)) / expected
            assert float(rows[code,][f"ratio_{name}"]) == float(f"{limit:.2e}")


def test_a_direct_standardisation_takes_the_whole_as_its_standard(tmp_path: Path) -> None:
    rows = released(world(tmp_path, homes(*STRATA)), by_strata("direct"))
    for code, yes, no in (("G1", 30 / 80, 20 / 100), ("G2", 60 / 100, 40 / 60), ("NL", 90 / 180, 60 / 160)):
        assert float(rows[code,]["direct"]) == float(f"{180 / 340 * yes + 160 / 340 * no:.2e}")
        assert float(rows[code,]["direct_low"]) < float(rows[code,]["direct"]) < float(rows[code,]["direct_high"])


def test_a_direct_standardisation_takes_the_office_s_standard_population(tmp_path: Path) -> None:
    rows = released(world(tmp_path, homes(*STRATA), LISTED), by_strata("direct", standard="classification"))
    assert float(rows["G1",]["direct"]) == float(f"{0.75 * 30 / 80 + 0.25 * 20 / 100:.2e}")
    assert float(rows["G2",]["direct"]) == float(f"{0.75 * 60 / 100 + 0.25 * 40 / 60:.2e}")


def test_an_empty_stratum_has_no_directly_standardised_rate_and_one_that_the_standard_lacks_takes_no_part(
    tmp_path: Path,
) -> None:
    data = homes(*STRATA[:2], *STRATA[4:])  # nobody in G1 is a no
    rows = released(world(tmp_path, data), by_strata("direct"))
    assert (rows["G1",]["direct"], rows["G1",]["OBS_STATUS"]) == ("", "A")
    only = Classification.model_validate(PLAIN.model_dump() | {"standard": {"yes": 5.0, "no": 0.0}})
    (tmp_path / "only").mkdir()
    rows = released(world(tmp_path / "only", data, only), by_strata("direct", standard="classification"))
    assert (rows["G1",]["direct"], rows["G2",]["direct"]) == ("0.375", "0.6")


def test_rounded_counts_make_the_figures(tmp_path: Path) -> None:
    rounding = {"kind": "nearest", "base": 50}
    here = World(tmp_path, policy_overrides={"count_rounding": rounding}).add("homes", flagged(*LARGE, *SAFE))
    rows = released(here, by_category("quotient", "category_ratio", against="k2"))
    row = rows["G1b1",]  # 40 of 100 and 60 others: 50 of 100, and 50; all: 150 of 600
    assert (row["numerator"], row["quotient"], row["category_ratio"]) == ("50", "2", "1")


# what is hidden ------------------------------------------------------------------------------------------------------


def test_every_compared_figure_of_a_hidden_count_is_hidden_with_it(tmp_path: Path) -> None:
    rows = released(world(tmp_path, flagged(*LARGE, *SMALL, *SAFE)), by_category(*FIGURES, against="k2"))
    row = rows["G1a2",]
    assert [row[name] for name in ("numerator", "quotient", "category_ratio", "target", *LIMITS)] == [""] * 8
    assert row["OBS_STATUS"] == "Q"


def test_a_ratio_to_a_hidden_category_is_hidden_though_the_rate_is_not(tmp_path: Path) -> None:
    # of 100 in G1a2 6 are k2 and 7 k3: k1 is shown, the others are not
    data = flagged(*LARGE, *SAFE, (87, "G1a2", "k1"), (6, "G1a2", "k2"), (7, "G1a2", "k3"))
    rows = released(world(tmp_path, data), by_category("category_ratio", against="k2"))
    assert rows["G1a2",]["rate"] == "0.87"
    assert rows["G1a2",]["category_ratio"] == ""


def test_a_second_category_of_too_few_units_for_a_percentage_has_no_ratio(tmp_path: Path) -> None:
    here = World(tmp_path, policy_overrides={"percentage_units": 70}).add("homes", flagged(*LARGE, *SAFE))
    rows = released(here, by_category("category_ratio", against="k2"))
    assert (rows["G1b1",]["rate"], rows["G1b1",]["category_ratio"]) == ("0.4", "")  # 60 k2
    assert rows["G1a1",]["category_ratio"] == "0.429"  # 140 k2


def small_stratum() -> pa.Table:
    """As STRATA, with 4 of the 60 no in G2 that are k2: a small stratum, and its counterpart hides with it."""
    return homes(*STRATA[:7], (4, "G2a1", "k2", "no"), (30, "G1b1", "k1", "yes"), (30, "G1b1", "k2", "yes"))


def small_whole() -> pa.Table:
    """As STRATA, with 5 no in G2 in all."""
    return homes(*STRATA[:6], (3, "G2a1", "k1", "no"), (2, "G2a1", "k2", "no"))


def test_a_stratum_that_is_hidden_hides_what_is_standardised_by_it(tmp_path: Path) -> None:
    rows = released(world(tmp_path, small_stratum()), by_strata("direct", "ratio_funnel"))
    assert rows["G2",]["rate"] != ""
    assert [rows["G2",][name] for name in ("direct", "direct_low", "direct_high")] == [""] * 3


# the audit -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Audited:
    """What the gate's audit was given, and what it says of other figures than those."""

    evidence: Evidence
    suppressed: BoolArray
    rules: TableRules
    found: RateTable

    def faulty(self, **columns: FloatArray) -> list[int]:
        return unsupported(self.evidence, self.suppressed, self.rules, {**self.found.figures, **columns}).tolist()

    def careless(self) -> RateTable:
        """The figures as they were with nothing hidden."""
        return rates.rate_table(self.evidence, np.zeros_like(self.suppressed), self.rules)


def audited(here: World, request: TableRequest) -> Audited:
    given: list[Any] = []

    def listening(*arguments: Any) -> RateTable:
        given.extend(arguments)
        return rates.rate_table(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_check, "rate_table", listening)
        here.check(request)
    return Audited(*given, rates.rate_table(*given))


def test_a_figure_over_a_hidden_count_stops_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = rates.rate_table

    def shows_one(evidence: Any, suppressed: Any, rules: Any) -> RateTable:
        found, careless = (honest(evidence, each, rules) for each in (suppressed, np.zeros_like(suppressed)))
        return replace(found, figures={**found.figures, "quotient": careless.figures["quotient"]})

    monkeypatch.setattr(table_check, "rate_table", shows_one)
    with pytest.raises(Refused, match="would give a hidden count back"):
        world(tmp_path, flagged(*LARGE, *SMALL, *SAFE)).check(by_category("quotient"))


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        (by_category("wilson", "quotient", "category_ratio", against="k2"), flagged(*LARGE, *SMALL, *SAFE)),
        (by_strata("direct"), small_stratum()),
        (by_strata("ratio_funnel"), small_whole()),
    ],
    ids=["of categories", "of strata", "of wholes of strata"],
)
def test_each_figure_over_a_hidden_count_is_found(tmp_path: Path, request_: TableRequest, data: pa.Table) -> None:
    gate = audited(world(tmp_path, data), request_)
    assert gate.faulty() == []
    for name, values in gate.careless().figures.items():
        hidden = np.isnan(gate.found.figures[name]) & ~np.isnan(values)
        assert hidden.any() or (name == "rate" and request_.rate.standardise)
        assert gate.faulty(**{name: values}) == np.flatnonzero(hidden).tolist()


def test_a_control_limit_over_a_hidden_denominator_is_found(tmp_path: Path) -> None:
    data = flagged(*LARGE, *SAFE, (4, "G1a2", "k1"), (3, "G1a2", "k2"))
    gate = audited(world(tmp_path, data), by_category("funnel"))
    hidden = np.isnan(gate.found.counts["denominator"])
    for name in LIMITS:
        careless = gate.careless().figures[name]
        assert gate.faulty(**{name: careless}) == np.flatnonzero(hidden & ~np.isnan(careless)).tolist() != []


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        (by_category("wilson", *FIGURES, against="k2"), flagged(*LARGE, *SAFE)),
        (by_strata("direct", "ratio_funnel"), homes(*STRATA)),
    ],
    ids=["of categories", "of strata"],
)
def test_a_figure_that_says_anything_but_its_counts_is_found(
    tmp_path: Path, request_: TableRequest, data: pa.Table
) -> None:
    gate = audited(world(tmp_path, data), request_)
    assert gate.faulty() == []
    assert len(gate.found.figures) == (1 + 2 + 1 + 1 + 5 if "funnel" in request_.rate.figures else 1 + 3 + 2 + 4)
    for name, values in gate.found.figures.items():
        last = int(np.flatnonzero(~np.isnan(values))[-1])
        for off in (0.98, 1.02):
            changed = values.copy()
            changed[last] *= off
            assert gate.faulty(**{name: changed}) == [last]
    assert len(gate.faulty(rate_of_change=gate.found.figures["rate"])) == np.isfinite(gate.found.figures["rate"]).sum()


# the figure ----------------------------------------------------------------------------------------------------------

WORDS = {"x_label": "Homes", "y_label": "Share of k1", "alternative": "All areas lie between the limits but one."}


def test_the_gate_draws_the_funnel_from_the_released_rows_without_the_whole(tmp_path: Path) -> None:
    figure = Figure.model_validate({"chart": "funnel", "x": "denominator", "y": "rate", **WORDS})
    request = by_category("funnel").model_copy(update={"figure": figure})
    out = world(tmp_path, flagged(*LARGE, *SMALL, *SAFE)).check(request)
    drawn = out.outputs["outputs/demo/homes.svg"].decode()
    rows = [line.split(",") for line in out.outputs["outputs/demo/homes.csv"].decode().splitlines()]
    place = rows[0].index('"limit95_low"')
    shown = [row for row in rows[1:] if row[place]]
    assert drawn.count("<circle") == len(shown) > 3
    heights = [float(each) for each in re.findall(r'<circle cx="[^"]*" cy="([^"]*)"', drawn)]
    limits = [float(each) for path in re.findall(r'd="M80 ([^"]*)"', drawn) for each in re.findall(r" ([0-9.]+)", path)]
    assert max(heights + limits) - min(heights + limits) > (BOTTOM - TOP) / 2  # the spread fills the picture
    assert drawn.count("<path") == 5 + 4  # the target and four limits; four words of the legend
    ratio = Figure.model_validate({"chart": "funnel", "x": "expected", "y": "ratio", **WORDS})
    (tmp_path / "ratio").mkdir()
    of_ratios = by_strata("ratio_funnel").model_copy(update={"figure": ratio})
    out = world(tmp_path / "ratio", homes(*STRATA)).check(of_ratios)
    assert out.outputs["outputs/demo/homes.svg"].count(b"<circle") == 2


@pytest.mark.parametrize(
    ("figures", "fields", "fault"),
    [
        (("funnel",), {"x": "denominator", "y": "numerator"}, "a funnel is of the rate by its denominator"),
        (("funnel",), {"x": "denominator", "y": "rate", "by": "region"}, "a funnel is of the rate by its denominator"),
        ((), {"x": "denominator", "y": "rate"}, "does not have"),
    ],
)
def test_a_funnel_of_something_else_is_refused(
    tmp_path: Path, figures: tuple[str, ...], fields: dict[str, str], fault: str
) -> None:
    figure = Figure.model_validate({"chart": "funnel", **fields, **WORDS})
    request = by_category(*figures).model_copy(update={"figure": figure})
    with pytest.raises(Refused, match=fault):
        world(tmp_path, flagged(*LARGE, *SAFE)).check(request)


# what is refused before any data is read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (by_category("direct"), "say by which dimensions"),
        (by_category("ratio_funnel"), "say by which dimensions"),
        (by_strata("quotient"), "say by which dimensions"),
        (by_category("category_ratio"), "against which one"),
        (by_category("quotient", against="k2"), "against which one"),
        (by_category("category_ratio", against="k1"), "none of kind beside the first"),
        (by_category("category_ratio", against="all"), "none of kind beside the first"),
        (by_category("category_ratio", against="k9"), "none of kind beside the first"),
        (by_category("quotient", standard="classification"), "a standard population is for a direct"),
        (by_strata("direct", standard="classification"), "flag lists no standard population"),
    ],
)
def test_figures_that_cannot_be_made_or_undone_are_refused(tmp_path: Path, request_: TableRequest, fault: str) -> None:
    found = faults_of_table(request_, {**CLASSIFICATIONS, "flag": PLAIN}, policy_in(tmp_path).public.tables)
    assert any(fault in each for each in found)


def test_a_request_brings_no_numbers_of_its_own() -> None:
    """A weight that the analysis chose could carry a record out: the standard is the table's or the office's."""
    listed = by_strata("direct").model_dump_json().replace('"table"', '"table"').replace(
        '"standard":"table"', '"standard":{"yes":0.1234,"no":0.8766}'
    )  # fmt: skip
    with pytest.raises(Refused, match="malformed at"):
        parse_requests(f"[{listed}]")
